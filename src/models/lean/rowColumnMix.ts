import { accumulate, into, jointOp, product, tf } from '../../tf/index.js';
import { groupsOf, joined, MAX_SCORES } from './chunkedAttention.js';

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
  const [b, q, down] = first.shape;
  const across = second.shape[2];
  return jointOp(
    { first, second, values },
    (save) => {
      const kept: tf.Tensor[] = [];
      const mixed = tf.tidy(() => {
        const cut = new Cut(first, values);
        const [f, s, tables] = [cut.rows(first), cut.rows(second), cut.tables(values)];
        const parts = f.map((own, i) => {
          const sums = sumsOf(own, tables[cut.tableOf(i)] as tf.Tensor, across);
          if (cut.isWhole) kept.push(tf.keep(sums));
          const weights = (s[i] as tf.Tensor).reshape([-1, 1, across]);
          const part = product(weights, sums);
          if (!cut.isWhole) sums.dispose();
          return part;
        });
        return into(joined(parts, 0), (x) => x.reshape([b, q, -1])) as T3;
      });
      save([first, second, values, ...kept]);
      tf.dispose(kept);
      return mixed;
    },
    (dys, saved) => {
      const [f, s, v, kept] = saved as [T3, T3, T3, tf.Tensor?];
      return tf.tidy(() => {
        const cut = new Cut(f, v);
        const [firsts, seconds, grads] = [cut.rows(f), cut.rows(s), cut.rows(dys[0] as T3)];
        const tables = cut.tables(v);
        const dTables: (tf.Tensor | undefined)[] = tables.map(() => undefined);
        const dFirst: tf.Tensor[] = [];
        const dSecond: tf.Tensor[] = [];
        for (const [i, own] of firsts.entries()) {
          const table = tables[cut.tableOf(i)] as tf.Tensor;
          const dy = grads[i] as tf.Tensor;
          const d = dy.shape.at(-1) as number;
          const sums = kept?.clone() ?? sumsOf(own, table, across);
          dSecond.push(into(sums, (p) => product(dy.reshape([-1, 1, d]), p, { b: true })));
          const dSums = into(
            product((seconds[i] as tf.Tensor).reshape([-1, across, 1]), dy.reshape([-1, 1, d])),
            (p) => p.reshape([...own.shape.slice(0, -1), across * d]),
          );
          dFirst.push(product(dSums, table, { b: true }));
          const dTable = into(dSums, (p) => product(own, p, { a: true }));
          dTables[cut.tableOf(i)] = accumulate(dTables[cut.tableOf(i)], dTable);
        }
        return {
          first: joined(dFirst, 0).reshape([b, q, down]),
          second: joined(dSecond, 0).reshape([b, q, across]),
          values: joined(dTables as tf.Tensor[], 0).reshape(v.shape),
        };
      }) as Record<'first' | 'second' | 'values', T3>;
    },
  );
}

/** What is left of either sum is a small product for each query: in half the time of multiplying and adding all of them. */
const sumsOf = (first: tf.Tensor, table: tf.Tensor, across: number): tf.Tensor =>
  into(product(first, table), (p) => p.reshape([-1, across, (table.shape.at(-1) as number) / across]));

/**
 * How attentions are cut into pieces whose sums are small enough: all together where they may stay, some attentions, or some
 * queries of one. One operation makes all pieces: slices one by one had been a fifth of a step's operations.
 */
class Cut {
  /** Whether there is one piece. */
  readonly isWhole: boolean;
  /** Queries of each piece of an attention; absent where pieces are of whole attentions. */
  readonly #runs: readonly number[] | undefined;
  readonly #groups: readonly number[];

  constructor(first: T3, values: T3) {
    const [b, q] = first.shape;
    const each = q * values.shape[2];
    this.isWhole = b * each <= KEPT && each <= MAX_SCORES;
    const sizes = (ranges: ReturnType<typeof groupsOf>) => ranges.map(({ size }) => size);
    this.#groups = this.isWhole ? [b] : sizes(groupsOf(b, each));
    this.#runs = each > MAX_SCORES ? sizes(groupsOf(q, values.shape[2])) : undefined;
  }

  /** Of `[b, q, c]` pieces `[attentions, q, c]`, or `[run, c]`. */
  rows(x: T3): tf.Tensor[] {
    if (this.#runs === undefined) return this.#attentions(x);
    const sizes = Array.from({ length: x.shape[0] }, () => this.#runs as readonly number[]).flat();
    return tf.split(x.reshape([-1, x.shape[2]]), sizes, 0);
  }

  /** Of `[b, X, Y * d]` one for each group of attentions, or `[X, Y * d]` for each attention. */
  tables(x: T3): tf.Tensor[] {
    if (this.#runs === undefined) return this.#attentions(x);
    return tf.split(x.reshape([-1, x.shape[2]]), x.shape[0], 0);
  }

  #attentions(x: T3): tf.Tensor[] {
    return this.#groups.length === 1 ? [x] : tf.split(x, [...this.#groups], 0);
  }

  /** The table that a piece belongs to. */
  tableOf(piece: number): number {
    return Math.floor(piece / (this.#runs?.length ?? 1));
  }
}
