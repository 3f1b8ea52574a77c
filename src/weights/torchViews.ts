import type { ArrayInfo } from '../core/arrays.js';
import { readAs } from '../io/arrayOf.js';
import type { StorageRef, TensorRef } from './torchGlobals.js';

/** First and last element of its storage that a view touches; equal when it is empty. */
export function extentOf({ size, stride, offset, count }: TensorRef): readonly [from: number, to: number] {
  if (count === 0) return [offset, offset];
  return [offset, size.reduce((at, n, axis) => at + (n - 1) * (stride[axis] ?? 0), offset) + 1];
}

/**
 * Checks that every view stays in its storage, and that all together are no larger than a file of this size can mean.
 *
 * @param fault makes the error
 */
export function checkViews(
  tensors: ReadonlyMap<string, TensorRef>,
  fileSize: number,
  fault: (what: string) => Error,
): void {
  let total = 0;
  for (const [name, tensor] of tensors) {
    const { length, elementBytes } = tensor.storage;
    const [, end] = extentOf(tensor);
    if (tensor.count > 0 && (!Number.isSafeInteger(tensor.count) || end > length || tensor.count > length))
      throw fault(
        `\`${name}\` of shape [${tensor.size.join(', ')}] reaches past its storage of ${length} elements`,
      );
    total += tensor.count * elementBytes;
  }
  if (total > 16 * fileSize + (64 << 20))
    throw fault(`its views add up to ${total} bytes, the file has ${fileSize}`);
}

/** What is known of the tensors; one that is the same view as an earlier one names it. */
export function infoOf(tensors: ReadonlyMap<string, TensorRef>): Map<string, ArrayInfo> {
  const first = new Map<StorageRef, Map<string, string>>();
  const entries = new Map<string, ArrayInfo>();
  for (const [name, { storage, offset, size, stride }] of tensors) {
    const views = first.get(storage) ?? new Map<string, string>();
    first.set(storage, views);
    const view = `${offset}|${size.join()}|${stride.join()}`;
    const same = views.get(view);
    if (same === undefined) views.set(view, name);
    entries.set(name, {
      shape: size,
      dtype: readAs(storage.stored),
      stored: storage.stored,
      ...(same === undefined ? {} : { sameAs: same }),
    });
  }
  return entries;
}

/**
 * The elements of a strided view as contiguous bytes in a buffer of their own.
 *
 * @param bytes the view's extent
 */
export function gather(
  bytes: Uint8Array<ArrayBuffer>,
  { size, stride, count, storage: { elementBytes: width } }: TensorRef,
): Uint8Array<ArrayBuffer> {
  const isDense = size.every(
    (n, axis) => n === 1 || stride[axis] === size.slice(axis + 1).reduce((a, b) => a * b, 1),
  );
  if (isDense || count === 0) return bytes;
  const out = new Uint8Array(count * width);
  const index = new Array<number>(size.length).fill(0);
  let source = 0;
  for (let i = 0; i < count; i++) {
    for (let b = 0; b < width; b++) out[i * width + b] = bytes[source * width + b] as number;
    for (let axis = size.length - 1; axis >= 0; axis--) {
      source += stride[axis] as number;
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (size[axis] as number)) break;
      source -= (stride[axis] as number) * (size[axis] as number);
      index[axis] = 0;
    }
  }
  return out;
}
