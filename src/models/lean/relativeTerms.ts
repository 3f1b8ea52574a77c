import { into, pipe, product, tf } from '../../tf/index.js';

/** Tables of relative positions fitted to a window: `rows [H, H', hd]`, `columns [W, W', hd]`, query first. */
export type RelativeTables = {
  readonly rows: tf.Tensor3D;
  readonly columns: tf.Tensor3D;
};

/** What every query adds to the scores of a key's row and of its column: `[b, H', n]`, `[b, W', n]`. */
export type RelativeTerms = {
  readonly rows: tf.Tensor3D;
  readonly columns: tf.Tensor3D;
};

/** @param q `[b, hd, n]` unscaled queries of a grid, row by row */
export function relativeTerms(q: tf.Tensor3D, tables: RelativeTables): RelativeTerms {
  const [b, , n] = q.shape;
  const [height, width] = [tables.rows.shape[0], tables.columns.shape[0]];
  const rows = into(
    byRow(q, height, width),
    (x) => product(tables.rows, x),
    (x) => x.reshape([height, height, b, width]),
    (x) => x.transpose([2, 1, 0, 3]), // [b, H', H, W]
    (x) => x.reshape([b, height, n]),
  );
  const columns = into(
    byColumn(q, height, width),
    (x) => product(tables.columns, x),
    (x) => x.reshape([width, width, b, height]),
    (x) => x.transpose([2, 1, 3, 0]), // [b, W', H, W]
    (x) => x.reshape([b, width, n]),
  );
  return { rows: rows as tf.Tensor3D, columns: columns as tf.Tensor3D };
}

/** Gradients of `relativeTerms` for the queries and the tables. */
export function relativeTermsGradients(
  q: tf.Tensor3D,
  tables: RelativeTables,
  dy: RelativeTerms,
): { readonly q: tf.Tensor3D; readonly tables: RelativeTables } {
  return tf.tidy(() => {
    const [b, headDim, n] = q.shape;
    const [height, width] = [tables.rows.shape[0], tables.columns.shape[0]];
    const dRows = pipe(
      dy.rows,
      (x) => x.reshape([b, height, height, width]),
      (x) => x.transpose([2, 1, 0, 3]),
      (x) => x.reshape([height, height, b * width]),
    );
    const dColumns = pipe(
      dy.columns,
      (x) => x.reshape([b, width, height, width]),
      (x) => x.transpose([3, 1, 0, 2]),
      (x) => x.reshape([width, width, b * height]),
    );
    const throughRows = into(
      product(tables.rows, dRows, { a: true }), // [H, hd, b * W]
      (x) => x.reshape([height, headDim, b, width]),
      (x) => x.transpose([2, 1, 0, 3]),
      (x) => x.reshape([b, headDim, n]),
    );
    const throughColumns = into(
      product(tables.columns, dColumns, { a: true }),
      (x) => x.reshape([width, headDim, b, height]),
      (x) => x.transpose([2, 1, 3, 0]),
      (x) => x.reshape([b, headDim, n]),
    );
    return {
      q: throughRows.add(throughColumns) as tf.Tensor3D,
      tables: {
        rows: into(byRow(q, height, width), (x) => product(dRows, x, { b: true })) as tf.Tensor3D,
        columns: into(byColumn(q, height, width), (x) => product(dColumns, x, { b: true })) as tf.Tensor3D,
      },
    };
  });
}

/** `[H, hd, b * W]`: the queries of each row. */
const byRow = (q: tf.Tensor3D, height: number, width: number): tf.Tensor =>
  pipe(
    q,
    (x) => x.reshape([q.shape[0], q.shape[1], height, width]),
    (x) => x.transpose([2, 1, 0, 3]),
    (x) => x.reshape([height, q.shape[1], q.shape[0] * width]),
  );

/** `[W, hd, b * H]`: the queries of each column. */
const byColumn = (q: tf.Tensor3D, height: number, width: number): tf.Tensor =>
  pipe(
    q,
    (x) => x.reshape([q.shape[0], q.shape[1], height, width]),
    (x) => x.transpose([3, 1, 0, 2]),
    (x) => x.reshape([width, q.shape[1], q.shape[0] * height]),
  );
