import { accumulate, into, tf } from '../../tf/index.js';
import {
  attendInChunks,
  attendInChunksGradients,
  groupsOf,
  joined,
  type ScoreGradients,
  type ScoreParts,
} from './chunkedAttention.js';
import {
  type RelativeTables,
  type RelativeTerms,
  relativeTerms,
  relativeTermsGradients,
} from './relativeTerms.js';
import type { WindowGrid } from './windows.js';

type T3 = tf.Tensor3D;

/**
 * Windows up to this side get their relative terms inside the product, as further rows of the queries, against one-hot
 * rows and columns of the keys. For larger ones (global attention) two broadcast additions cost less than a product three
 * times as long: in 13 of 14 comparisons at 64 x 64 tokens.
 */
const FOLDED_SIDE = 32;

/** Attention within windows; see `gridAttention` for the formula. Everything has channels before tokens. */
export type WindowAttention = {
  /** `[windows, heads * hd, tokens]`. */
  readonly out: T3;
  /** `[windows * heads, 1, tokens]`. */
  readonly logSum: T3;
};

/** @param qkv `[windows, 3, heads, hd, tokens]` @param tables relative positions, if the model has them */
export function attendWindows(
  qkv: tf.Tensor5D,
  tables: RelativeTables | undefined,
  grid: WindowGrid,
): WindowAttention {
  return tf.tidy(() => {
    const [count, , heads, headDim, tokens] = qkv.shape;
    const groups = headGroups(count, heads, tokens).flat();
    const attended = groups.map((group) =>
      tf.tidy(() => {
        const [q, k, v] = headsOf(qkv, group);
        return attendInChunks(scoreParts(q, k, terms(q, tables), grid), v);
      }),
    );
    return {
      out: into(
        joined(
          attended.map((a) => a.out),
          0,
        ),
        (x) => x.reshape([count, heads * headDim, tokens]),
      ) as T3,
      logSum: joined(
        attended.map((a) => a.logSum),
        0,
      ),
    };
  });
}

/** Gradients of `attendWindows`: `qkv` as `[windows, 3 * heads * hd, tokens]`, and the tables'. */
export function attendWindowsGradients(
  qkv: tf.Tensor5D,
  tables: RelativeTables | undefined,
  grid: WindowGrid,
  { out, logSum }: WindowAttention,
  dOut: T3,
): { readonly qkv: T3; readonly tables?: RelativeTables | undefined } {
  return tf.tidy(() => {
    const [count, , heads, headDim, tokens] = qkv.shape;
    let rows: tf.Tensor | undefined;
    let columns: tf.Tensor | undefined;
    const windows = headGroups(count, heads, tokens).map((groups) => {
      const parts = groups.map((group) => {
        const g = groupGradients(qkv, tables, grid, { out, logSum }, dOut, group);
        if (g.rows !== undefined) rows = accumulate(rows, g.rows);
        if (g.columns !== undefined) columns = accumulate(columns, g.columns);
        return [g.q, g.k, g.v].map((x) =>
          into(x, (t) => t.reshape([group.windows.size, group.heads.size * headDim, tokens])),
        ) as [T3, T3, T3];
      });
      return joined(
        [0, 1, 2].flatMap((i) => parts.map((p) => p[i] as T3)),
        1,
      );
    });
    const result = { qkv: joined(windows, 0) };
    return tables === undefined
      ? result
      : { ...result, tables: { rows: rows as T3, columns: columns as T3 } };
  });
}

interface Group {
  readonly windows: { readonly from: number; readonly size: number };
  readonly heads: { readonly from: number; readonly size: number };
}

/** For each run of windows the runs of heads whose scores are made together: many small windows, or few large heads. */
function headGroups(count: number, heads: number, tokens: number): Group[][] {
  const runs = groupsOf(heads, tokens * tokens);
  const windows =
    runs.length > 1 ? groupsOf(count, Number.POSITIVE_INFINITY) : groupsOf(count, heads * tokens * tokens);
  return windows.map((w) => runs.map((h) => ({ windows: w, heads: h })));
}

/** Queries, keys and values of a group: `[windows * heads, hd, tokens]` each. */
function headsOf(qkv: tf.Tensor5D, { windows: w, heads: h }: Group): [T3, T3, T3] {
  const [, , , headDim, tokens] = qkv.shape;
  const part = (index: number) =>
    into(qkv.slice([w.from, index, h.from, 0, 0], [w.size, 1, h.size, -1, -1]), (x) =>
      x.reshape([w.size * h.size, headDim, tokens]),
    ) as T3;
  return [part(0), part(1), part(2)];
}

const terms = (q: T3, tables: RelativeTables | undefined): RelativeTerms | undefined =>
  tables === undefined ? undefined : relativeTerms(q, tables);

const isFolded = (grid: WindowGrid): boolean => Math.max(grid.windowHeight, grid.windowWidth) <= FOLDED_SIDE;

/** @param logSum `[b, 1, n]` to be subtracted from the scores, in the backward pass */
function scoreParts(
  q: T3,
  k: T3,
  relative: RelativeTerms | undefined,
  grid: WindowGrid,
  logSum?: T3,
): ScoreParts {
  const [b, channels, n] = q.shape;
  const left = [q.mul(channels ** -0.5) as T3];
  const right = [k];
  const isBroadcast = relative !== undefined && !isFolded(grid);
  if (relative !== undefined && !isBroadcast) {
    left.push(relative.rows, relative.columns);
    right.push(oneHotKeys(b, grid));
  }
  if (logSum !== undefined && !isBroadcast) {
    left.push(logSum.neg());
    right.push(tf.ones([b, 1, n]));
  }
  const parts = { left: stacked(left), right: stacked(right), channels };
  if (!isBroadcast) return parts;
  const rows = logSum === undefined ? relative.rows : relative.rows.sub(logSum);
  return {
    ...parts,
    grid: { rows: rows.transpose([0, 2, 1]) as T3, columns: relative.columns.transpose([0, 2, 1]) as T3 },
  };
}

const stacked = (rows: readonly T3[]): T3 =>
  rows.length === 1 ? (rows[0] as T3) : (tf.concat([...rows], 1) as T3);

/** `[b, H + W, n]`: row and column of every key, one-hot. */
function oneHotKeys(b: number, { windowHeight, windowWidth, tokens }: WindowGrid): T3 {
  const data = new Float32Array((windowHeight + windowWidth) * tokens);
  for (let t = 0; t < tokens; t++) {
    data[Math.floor(t / windowWidth) * tokens + t] = 1;
    data[(windowHeight + (t % windowWidth)) * tokens + t] = 1;
  }
  return tf.tensor3d(data, [1, windowHeight + windowWidth, tokens]).tile([b, 1, 1]);
}

type GroupGradients = {
  readonly q: T3;
  readonly k: T3;
  readonly v: T3;
  readonly rows?: T3;
  readonly columns?: T3;
};

function groupGradients(
  qkv: tf.Tensor5D,
  tables: RelativeTables | undefined,
  grid: WindowGrid,
  saved: WindowAttention,
  dOut: T3,
  group: Group,
): GroupGradients {
  return tf.tidy(() => {
    const [q, k, v] = headsOf(qkv, group);
    const { windows: w, heads: h } = group;
    const [, , heads, headDim, tokens] = qkv.shape;
    const own = (x: T3) =>
      into(x.slice([w.from, h.from * headDim, 0], [w.size, h.size * headDim, -1]), (t) =>
        t.reshape(q.shape),
      ) as T3;
    const logSum = saved.logSum.slice([w.from * heads + h.from, 0, 0], [w.size * h.size, -1, -1]);
    const parts = scoreParts(q, k, terms(q, tables), grid, logSum);
    const g = attendInChunksGradients(parts, v, own(saved.out), own(dOut));
    const dq = into(g.left.slice([0, 0, 0], [-1, headDim, -1]), (x) => x.mul(headDim ** -0.5)) as T3;
    if (tables === undefined) return { q: dq, k: g.right, v: g.values };
    const through = relativeTermsGradients(q, tables, termsGradients(g, headDim, tokens, grid));
    return {
      q: into(dq, (x) => x.add(through.q)) as T3,
      k: g.right,
      v: g.values,
      rows: through.tables.rows,
      columns: through.tables.columns,
    };
  });
}

/** Gradients of the relative terms: rows of `left` where they were folded, sums over the grid where they were added. */
function termsGradients(g: ScoreGradients, headDim: number, tokens: number, grid: WindowGrid): RelativeTerms {
  if (g.grid !== undefined)
    return {
      rows: g.grid.rows.transpose([0, 2, 1]) as T3,
      columns: g.grid.columns.transpose([0, 2, 1]) as T3,
    };
  const b = g.left.shape[0];
  return {
    rows: g.left.slice([0, headDim, 0], [b, grid.windowHeight, tokens]),
    columns: g.left.slice([0, headDim + grid.windowHeight, 0], [b, grid.windowWidth, tokens]),
  };
}
