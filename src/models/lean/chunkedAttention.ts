import { accumulate, into, product, tf } from '../../tf/index.js';

/**
 * What makes the scores of b independent attentions over n queries and m keys: `left^T right`, and for grids two terms
 * that are added for the key's row and column. Channels come first, so that heads are slices of a projection.
 */
export interface ScoreParts {
  /** `[b, e, n]` scaled queries; rows beyond the keys' channels add further terms, see `right`. */
  readonly left: tf.Tensor3D;
  /** `[b, e, m]` keys, and what the further rows of `left` are multiplied with. */
  readonly right: tf.Tensor3D;
  /** `[b, n, H]` and `[b, n, W]` with `H * W = m`. */
  readonly grid?: { readonly rows: tf.Tensor3D; readonly columns: tf.Tensor3D } | undefined;
  /** How many rows are channels of queries and keys; only these rows of `right` get a gradient. */
  readonly channels: number;
}

/** Gradients of the parts, in their shapes; of `right` only the channels. */
export type ScoreGradients = {
  readonly left: tf.Tensor3D;
  readonly right: tf.Tensor3D;
  readonly grid?: { readonly rows: tf.Tensor3D; readonly columns: tf.Tensor3D } | undefined;
};

export type Attended = {
  /** `[b, d, n]`. */
  readonly out: tf.Tensor3D;
  /** `[b, 1, n]`: logarithm of each softmax's denominator, from which the backward pass gets its probabilities at once. */
  readonly logSum: tf.Tensor3D;
};

/** Scores that exist at any time: 8 MiB stay in the caches. */
export const MAX_SCORES = 2 ** 21;

/**
 * `softmax(scores) v` without ever holding the scores: a range of queries at a time (compare Dao et al. 2022,
 * FlashAttention). The division by the sum is left to the small result.
 *
 * @param values `[b, d, m]`
 */
export function attendInChunks(parts: ScoreParts, values: tf.Tensor3D): Attended {
  return tf.tidy(() => {
    const [b, d, m] = values.shape;
    const n = parts.left.shape[2];
    const summing = tf.concat([values, tf.ones([b, 1, m])], 1); // the last row sums the probabilities
    const outs: tf.Tensor3D[] = [];
    const logSums: tf.Tensor3D[] = [];
    for (const range of ranges(b, n, m)) {
      const scores = scoresOf(parts, range);
      const highest = scores.max(2, true);
      const powers = into(
        scores,
        (s) => s.sub(highest),
        (s) => s.exp(),
      );
      // Scores as the left operand: the form in which the product runs at full speed.
      const sums = into(
        powers,
        (p) => product(p, summing, { b: true }),
        (o) => o.transpose([0, 2, 1]),
      ); // [b, d + 1, range]
      const total = sums.slice([0, d, 0], [b, 1, range.size]);
      outs.push(
        into(sums, (o) => into(o.slice([0, 0, 0], [b, d, range.size]), (v) => v.div(total))) as tf.Tensor3D,
      );
      logSums.push(
        into(total, (t) => into(t.log(), (l) => l.add(highest.reshape([b, 1, range.size])))) as tf.Tensor3D,
      );
      highest.dispose();
    }
    return { out: joined(outs, 2), logSum: joined(logSums, 2) };
  });
}

/**
 * Gradients of `attendInChunks`, with every chunk's scores made once more.
 *
 * @param parts as in the forward pass, but with `logSum` subtracted from the scores (`shifted`): exp gives probabilities
 * @param dOut `[b, d, n]`
 */
export function attendInChunksGradients(
  parts: ScoreParts,
  values: tf.Tensor3D,
  out: tf.Tensor3D,
  dOut: tf.Tensor3D,
): ScoreGradients & { readonly values: tf.Tensor3D } {
  return tf.tidy(() => {
    const [b, , m] = values.shape;
    const n = parts.left.shape[2];
    const summing = tf.concat([values, tf.ones([b, 1, m])], 1);
    // With a last row of -sum(dOut * out) one product gives dP - sum(dP P), which P only has to multiply.
    const minus = into(
      dOut.mul(out),
      (x) => x.sum(1, true),
      (x) => x.neg(),
    );
    const dSumming = tf.concat([dOut, minus], 1) as tf.Tensor3D;
    const queries = cutRows(parts.left, parts.channels);
    let dValues: tf.Tensor | undefined;
    let dRight: tf.Tensor | undefined;
    const dLeft: tf.Tensor3D[] = [];
    const dRows: tf.Tensor3D[] = [];
    const dColumns: tf.Tensor3D[] = [];
    for (const range of ranges(b, n, m)) {
      const probabilities = into(scoresOf(parts, range), (s) => s.exp());
      dValues = accumulate(
        dValues,
        into(cut(dOut, range), (x) => product(x, probabilities)),
      );
      const dScores = into(
        into(cut(dSumming, range), (x) => product(x, summing, { a: true })),
        (x) => into(probabilities, (p) => x.mul(p)),
      );
      dLeft.push(product(dScores, parts.right, { b: true }) as tf.Tensor3D);
      dRight = accumulate(
        dRight,
        into(cut(queries, range), (x) => product(x, dScores)),
      );
      if (parts.grid !== undefined) {
        const [height, width] = [parts.grid.rows.shape[2], parts.grid.columns.shape[2]];
        const onGrid = dScores.reshape([b, range.size, height, width]);
        dRows.push(onGrid.sum(3));
        dColumns.push(onGrid.sum(2));
        onGrid.dispose();
      }
      dScores.dispose();
    }
    const left = into(joined(dLeft, 1), (x) => x.transpose([0, 2, 1])) as tf.Tensor3D;
    const gradients = { left, right: dRight as tf.Tensor3D, values: dValues as tf.Tensor3D };
    if (parts.grid === undefined) return gradients;
    return { ...gradients, grid: { rows: joined(dRows, 1), columns: joined(dColumns, 1) } };
  });
}

export interface Range {
  readonly from: number;
  readonly size: number;
}

/** Ranges of queries whose scores stay below the limit. */
function ranges(b: number, n: number, m: number): Range[] {
  return groupsOf(n, b * m);
}

/** Columns of `[b, e, n]`. */
const cut = (x: tf.Tensor3D, { from, size }: Range): tf.Tensor3D =>
  size === x.shape[2] ? x.clone() : x.slice([0, 0, from], [-1, -1, size]);

const cutRows = (x: tf.Tensor3D, count: number): tf.Tensor3D =>
  count === x.shape[1] ? x : x.slice([0, 0, 0], [-1, count, -1]);

/** `[b, range, m]`. */
function scoresOf({ left, right, grid }: ScoreParts, range: Range): tf.Tensor {
  const plain = into(cut(left, range), (l) => product(l, right, { a: true }));
  if (grid === undefined) return plain;
  const [b, , height] = grid.rows.shape;
  const width = grid.columns.shape[2];
  const of = (x: tf.Tensor3D, shape: number[]) =>
    into(x.slice([0, range.from, 0], [-1, range.size, -1]), (t) => t.reshape([b, range.size, ...shape]));
  return into(
    plain,
    (s) => s.reshape([b, range.size, height, width]),
    (s) => into(of(grid.rows, [height, 1]), (r) => s.add(r)),
    (s) => into(of(grid.columns, [1, width]), (c) => s.add(c)),
    (s) => s.reshape([b, range.size, height * width]),
  );
}

/** Ranges of many independent attentions whose scores all together stay below the limit; at least one at a time. */
export function groupsOf(count: number, scoresEach: number): Range[] {
  const step = Math.max(1, Math.min(count, Math.floor(MAX_SCORES / scoresEach)));
  return Array.from({ length: Math.ceil(count / step) }, (_, i) => ({
    from: i * step,
    size: Math.min(step, count - i * step),
  }));
}

/** Pieces along an axis as one tensor; the pieces are freed. */
export function joined<T extends tf.Tensor>(pieces: readonly T[], axis: number): T {
  if (pieces.length === 1) return pieces[0] as T;
  const whole = tf.concat([...pieces], axis) as T;
  tf.dispose([...pieces]);
  return whole;
}
