import { jointOp, tf } from '../../tf/index.js';
import {
  attendInChunks,
  attendInChunksGradients,
  groupsOf,
  joined,
  type Range,
  type ScoreParts,
} from './chunkedAttention.js';

type T3 = tf.Tensor3D;

/**
 * `softmax(q k^T + bias) v` that keeps no scores for the backward pass.
 *
 * @param q `[b, d, n]` scaled queries @param k `[b, d, m]` @param v `[b, d, m]`
 * @param bias `[b, m]` added to the scores of a key, a constant; large and negative where keys are padded
 * @returns `[b, d, n]`
 */
export function leanAttention(q: T3, k: T3, v: T3, bias?: tf.Tensor2D): T3 {
  const groups = groupsOf(q.shape[0], q.shape[2] * k.shape[2]);
  return jointOp(
    { q, k, v },
    (save) => {
      const row = bias?.expandDims(1) as T3 | undefined;
      const attended = groups.map((g) =>
        attendInChunks(scoreParts(of(q, g), of(k, g), of(row, g)), of(v, g)),
      );
      const out = joined(
        attended.map((a) => a.out),
        0,
      );
      const logSum = joined(
        attended.map((a) => a.logSum),
        0,
      );
      save([q, k, v, out, logSum, ...(row === undefined ? [] : [row])]);
      return out;
    },
    (dys, saved) => {
      const [sq, sk, sv, out, logSum, row] = saved as [T3, T3, T3, T3, T3, T3 | undefined];
      const dOut = dys[0] as T3;
      const grads = groups.map((g) =>
        attendInChunksGradients(
          scoreParts(of(sq, g), of(sk, g), of(row, g), of(logSum, g)),
          of(sv, g),
          of(out, g),
          of(dOut, g),
        ),
      );
      const d = sq.shape[1];
      return {
        q: joined(
          grads.map(({ left }) => left),
          0,
        ).slice([0, 0, 0], [-1, d, -1]),
        k: joined(
          grads.map(({ right }) => right),
          0,
        ),
        v: joined(
          grads.map(({ values }) => values),
          0,
        ),
      };
    },
  );
}

/** Some of the attentions. */
function of<T extends T3 | undefined>(x: T, { from, size }: Range): T {
  if (x === undefined || size === x.shape[0]) return x;
  return x.slice([from, 0, 0], [size, -1, -1]) as T;
}

/**
 * Scores with a bias of the keys and, for the backward pass, minus the logarithm of the softmax's denominator; each is a
 * further row on one side and a row of ones on the other.
 */
function scoreParts(q: T3, k: T3, bias: T3 | undefined, logSum?: T3): ScoreParts {
  const [b, channels, n] = q.shape;
  const m = k.shape[2];
  const left = [q];
  const right = [k];
  if (bias !== undefined) {
    left.push(tf.ones([b, 1, n]));
    right.push(bias);
  }
  if (logSum !== undefined) {
    left.push(logSum.neg());
    right.push(tf.ones([b, 1, m]));
  }
  const stacked = (rows: T3[]) => (rows.length === 1 ? (rows[0] as T3) : (tf.concat(rows, 1) as T3));
  return { left: stacked(left), right: stacked(right), channels };
}
