import { accumulate, into, jointOp, product, tf } from '../../tf/index.js';
import { groupsOf, joined, MAX_SCORES, type Range } from './chunkedAttention.js';

type T3 = tf.Tensor3D;

/** Sums over one axis up to this size, 32 MiB, stay for the backward pass, which then saves a fifth of its products. */
const KEPT = 2 ** 23;

/**
 * `sum over x and y of first[q, x] second[q, y] values[x, y]` for b independent attentions, some queries at a time: the
 * sums over one axis, `[b, q, Y * d]`, would be as large as plain attention's scores.
 *
 * @param first `[b, q, X]` @param second `[b, q, Y]` @param values `[b, X, Y * d]`
 * @returns `[b, q, d]`
 */
export function rowColumnMix(first: T3, second: T3, values: T3): T3 {
  return jointOp(
    { first, second, values },
    (save) => {
      const kept: tf.Tensor[] = [];
      const mixed = overGroups(first, values, (range, group) =>
        tf.tidy(() => {
          const weights = cut(second, group, range);
          const [b, q, across] = weights.shape;
          const partial = partialSums(cut(first, group, range), of(values, group), across);
          if (isKept(first, values)) kept.push(tf.keep(partial));
          return into(product(weights.reshape([b * q, 1, across]), partial), (x) =>
            x.reshape([b, q, -1]),
          ) as T3;
        }),
      );
      save([first, second, values, ...kept]);
      tf.dispose(kept);
      return mixed;
    },
    (dys, saved) => {
      const [f, s, v, ...kept] = saved as [T3, T3, T3, ...tf.Tensor[]];
      const parts = groups(f, v).map((group, i) => groupGradients(f, s, v, dys[0] as T3, group, kept[i]));
      return {
        first: joined(
          parts.map((p) => p.first),
          0,
        ),
        second: joined(
          parts.map((p) => p.second),
          0,
        ),
        values: joined(
          parts.map((p) => p.values),
          0,
        ),
      };
    },
  );
}

/** Whether all sums over one axis are small enough, and each group makes its own at once. */
const isKept = (first: T3, values: T3): boolean => {
  const each = first.shape[1] * values.shape[2];
  return first.shape[0] * each <= KEPT && each <= MAX_SCORES;
};

function groupGradients(
  first: T3,
  second: T3,
  values: T3,
  dy: T3,
  group: Range,
  kept: tf.Tensor | undefined,
): { first: T3; second: T3; values: T3 } {
  return tf.tidy(() => {
    const table = of(values, group);
    let dTable: tf.Tensor | undefined;
    const dFirst: T3[] = [];
    const dSecond: T3[] = [];
    for (const range of ranges(first, values, group)) {
      const [f, s, d] = [cut(first, group, range), cut(second, group, range), cut(dy, group, range)];
      const [b, q, across] = s.shape;
      const [column, row] = [d.reshape([b * q, -1, 1]), d.reshape([b * q, 1, -1])];
      dSecond.push(
        into(
          kept?.clone() ?? partialSums(f, table, across),
          (p) => product(p, column),
          (x) => x.reshape([b, q, across]),
        ) as T3,
      );
      const dPartial = into(
        s.reshape([b * q, across, 1]),
        (x) => product(x, row),
        (p) => p.reshape([b, q, -1]),
      );
      dFirst.push(product(dPartial, table, { b: true }) as T3);
      dTable = accumulate(dTable, product(f, dPartial, { a: true }));
      tf.dispose([f, s, d, column, row, dPartial]);
    }
    return { first: joined(dFirst, 1), second: joined(dSecond, 1), values: dTable as T3 };
  });
}

/**
 * `[b * q, Y, d]`. What is left of either sum is a small product for each query, which as a product takes half the time of
 * a multiplication and a sum of all of them.
 */
function partialSums(first: T3, table: T3, across: number): tf.Tensor {
  const [b, q] = first.shape;
  return into(product(first, table), (p) => p.reshape([b * q, across, -1]));
}

/** What stays is as large in one piece as in several, and needs no cutting and joining. */
const groups = (first: T3, values: T3): Range[] =>
  isKept(first, values)
    ? [{ from: 0, size: first.shape[0] }]
    : groupsOf(first.shape[0], first.shape[1] * values.shape[2]);

const ranges = (first: T3, values: T3, group: Range): Range[] =>
  isKept(first, values)
    ? [{ from: 0, size: first.shape[1] }]
    : groupsOf(first.shape[1], group.size * values.shape[2]);

function overGroups(first: T3, values: T3, f: (range: Range, group: Range) => T3): T3 {
  const results = groups(first, values).map((group) =>
    joined(
      ranges(first, values, group).map((range) => f(range, group)),
      1,
    ),
  );
  return joined(results, 0);
}

const of = (x: T3, group: Range): T3 => cut(x, group, { from: 0, size: x.shape[1] });

const cut = (x: T3, group: Range, range: Range): T3 =>
  group.size === x.shape[0] && range.size === x.shape[1]
    ? x.clone()
    : x.slice([group.from, range.from, 0], [group.size, range.size, -1]);
