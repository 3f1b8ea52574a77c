import type { NamedArray } from '../core/arrays.js';

/**
 * The published names are used everywhere; only layouts differ. PyTorch stores linear weights `[out, in]`, convolutions
 * `[out, in, kh, kw]` and transposed convolutions `[in, out, kh, kw]`; TensorFlow wants `[in, out]`, `[kh, kw, in, out]` and
 * `[kh, kw, out, in]`. One permutation by rank serves all of them.
 */
const TO_TENSORFLOW: Readonly<Record<number, readonly number[]>> = { 2: [1, 0], 4: [2, 3, 1, 0] };
const TO_PUBLISHED: Readonly<Record<number, readonly number[]>> = { 2: [1, 0], 4: [3, 2, 0, 1] };

/** Tables and embeddings, stored alike in both worlds although their names end in `weight` or their rank is 2 or 4. */
const AS_THEY_ARE =
  /(pos_embed|rel_pos_[hw]|positional_encoding_gaussian_matrix|point_embeddings\.\d+\.weight|not_a_point_embed\.weight|no_mask_embed\.weight|iou_token\.weight|mask_tokens\.weight|pattern\.weight|position\.weight)$/;

/** True when the weight of this name changes its layout between PyTorch and TensorFlow. */
export function isTransposed(name: string, rank: number): boolean {
  return (
    !AS_THEY_ARE.test(name) && /(weight|in_proj_weight)$/.test(name) && TO_TENSORFLOW[rank] !== undefined
  );
}

/** The shape in TensorFlow's layout of a weight with this published shape. */
export function tensorFlowShape(name: string, published: readonly number[]): number[] {
  const order = isTransposed(name, published.length) ? TO_TENSORFLOW[published.length] : undefined;
  return order === undefined ? [...published] : order.map((axis) => published[axis] ?? 1);
}

/** A published array in TensorFlow's layout. */
export function toTensorFlow(name: string, array: NamedArray): NamedArray {
  return relayout(name, array, TO_TENSORFLOW);
}

/** A TensorFlow array in the published layout; the inverse of `toTensorFlow`. */
export function toPublished(name: string, array: NamedArray): NamedArray {
  return relayout(name, array, TO_PUBLISHED);
}

function relayout(
  name: string,
  array: NamedArray,
  orders: Readonly<Record<number, readonly number[]>>,
): NamedArray {
  const order = orders[array.shape.length];
  if (order === undefined || !isTransposed(name, array.shape.length)) return array;
  return { ...array, ...permute(array, order) };
}

function permute(array: NamedArray, order: readonly number[]): Pick<NamedArray, 'shape' | 'data'> {
  const { shape, data } = array;
  const outShape = order.map((axis) => shape[axis] as number);
  const out = data.slice() as typeof data;
  if (order.length === 2) transpose(data, out, outShape as [number, number]);
  else permuteAny(data, out, shape, order);
  return { shape: outShape, data: out };
}

/** Most weights are matrices: square by square, so that both sides stay in the processor's cache. */
function transpose(
  data: NamedArray['data'],
  out: NamedArray['data'],
  [rows, columns]: readonly [number, number],
): void {
  const block = 32;
  for (let top = 0; top < rows; top += block) {
    for (let left = 0; left < columns; left += block) {
      const [bottom, right] = [Math.min(rows, top + block), Math.min(columns, left + block)];
      for (let i = top; i < bottom; i++)
        for (let j = left; j < right; j++) out[i * columns + j] = data[j * rows + i] as never;
    }
  }
}

function permuteAny(
  data: NamedArray['data'],
  out: NamedArray['data'],
  shape: readonly number[],
  order: readonly number[],
): void {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const outShape = order.map((axis) => shape[axis] as number);
  const outStrides = order.map((axis) => strides[axis] as number);
  const index = new Array<number>(order.length).fill(0);
  let source = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = data[source] as never;
    for (let axis = order.length - 1; axis >= 0; axis--) {
      source += outStrides[axis] as number;
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (outShape[axis] as number)) break;
      source -= (outStrides[axis] as number) * (outShape[axis] as number);
      index[axis] = 0;
    }
  }
}
