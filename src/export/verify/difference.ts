import type { NamedTensors } from '../../graph/trace/record.js';
import type { SessionArray, SessionArrays } from '../../segment/engines/onnxSession.js';
import { tf } from '../../tf/index.js';

/** One output of one file in one runtime against the live model. */
export interface Difference {
  readonly output: string;
  /** Largest absolute difference over the live tensor's largest magnitude. */
  readonly relative: number;
  /** Largest magnitude of the live tensor. */
  readonly magnitude: number;
}

/** @returns an infinite difference where a shape is another or a number is none */
export function differences(live: SessionArrays, exported: SessionArrays): Difference[] {
  return Object.entries(live).map(([output, wanted]) => {
    const found = exported[output];
    const isSameShape = found !== undefined && found.shape.join() === wanted.shape.join();
    const [largest, magnitude] = extremes(
      wanted.data as Float32Array,
      (isSameShape ? found.data : undefined) as Float32Array | undefined,
    );
    return { output, relative: largest === 0 ? 0 : largest / magnitude, magnitude };
  });
}

/** Largest difference and largest magnitude; a plain loop, since masks are tens of millions of numbers. */
function extremes(
  wanted: ArrayLike<number>,
  found: ArrayLike<number> | undefined,
): [largest: number, magnitude: number] {
  const none = Number.POSITIVE_INFINITY;
  let [largest, magnitude] = [found === undefined ? none : 0, 0];
  for (let i = 0; i < wanted.length; i++) {
    const value = wanted[i] as number;
    let d = (found?.[i] ?? value) - value;
    if (d < 0) d = -d;
    if (!(d <= largest)) largest = d > largest ? d : none; // neither: not a number
    if (value > magnitude) magnitude = value;
    else if (-value > magnitude) magnitude = -value;
  }
  return [largest, magnitude];
}

/** Copies tensors to the host. */
export function toArrays(tensors: NamedTensors): SessionArrays {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, t]) => [
      name,
      { shape: t.shape, dtype: t.dtype, data: t.dataSync().slice() } as SessionArray,
    ]),
  );
}

/** Tensors with the same contents; the caller's. */
export function toTensors(arrays: SessionArrays): Record<string, tf.Tensor> {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, { data, shape, dtype }]) => [
      name,
      tf.tensor(data as Float32Array, [...shape], dtype === 'uint8' ? 'int32' : dtype),
    ]),
  );
}
