import type * as tf from '@tensorflow/tfjs';

type Step = (x: tf.Tensor) => tf.Tensor;

/**
 * Applies functions one after the other and frees every result but the last at once. TensorFlow called op by op never
 * reuses an input's memory, so what is dead goes as soon as possible: that keeps both the peak and the caches small.
 *
 * @param x stays the caller's
 */
export function pipe(x: tf.Tensor, ...steps: readonly Step[]): tf.Tensor {
  let last = x;
  for (const step of steps) {
    const next = step(last);
    if (last !== x) last.dispose();
    last = next;
  }
  return last;
}

/** The same, and `x` is freed too. */
export function into(x: tf.Tensor, ...steps: readonly Step[]): tf.Tensor {
  const result = pipe(x, ...steps);
  if (result !== x) x.dispose();
  return result;
}

/** `sum + part`, both freed; `part` alone when there is no sum yet. */
export function accumulate(sum: tf.Tensor | undefined, part: tf.Tensor): tf.Tensor {
  return sum === undefined ? part : into(sum, (s) => into(part, (p) => s.add(p)));
}
