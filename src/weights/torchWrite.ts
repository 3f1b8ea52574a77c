import {
  type ArrayInfo,
  type ArraySource,
  isSource,
  type NamedArray,
  type NamedArrays,
  sourceOf,
} from '../core/arrays.js';
import { WeightsError } from '../core/errors.js';
import { floatToHalf } from '../io/half.js';
import { type Picklable, pickle } from '../io/pickleWrite.js';
import { writeZip } from '../io/zipWrite.js';
import { storageClass } from './torchGlobals.js';

const ORDERED_DICT: Picklable = {
  kind: 'call',
  callee: { kind: 'global', module: 'collections', name: 'OrderedDict' },
  args: [],
};
const REBUILD: Picklable = { kind: 'global', module: 'torch._utils', name: '_rebuild_tensor_v2' };

/**
 * Writes a state dict in PyTorch's zip form, one tensor at a time and atomically: an `OrderedDict` of contiguous CPU
 * tensors and nothing else, which `torch.load(..., weights_only=True)` opens. Names for the same numbers share a storage.
 *
 * @param options.half stores float32 as float16
 * @throws WeightsError for an element type that PyTorch lacks
 * @throws OutputError when it would pass 4 GiB, the place is not writable or the disk is full
 */
export async function writeTorch(
  path: string,
  tensors: NamedArrays | ArraySource,
  options: { readonly half?: boolean } = {},
): Promise<void> {
  const source = isSource(tensors) ? tensors : sourceOf(tensors);
  const isHalf = (dtype: NamedArray['dtype']) => options.half === true && dtype === 'float32';
  const keys = new Map<string, string>();
  for (const [name, { sameAs }] of source.entries) if (sameAs === undefined) keys.set(name, `${keys.size}`);
  const items = [...source.entries].map(([name, info]): [string, Picklable] => {
    const stored = isHalf(info.dtype) ? 'float16' : info.dtype;
    const className = storageClass(stored);
    if (className === undefined)
      throw new WeightsError(`PyTorch has no tensors of \`${stored}\`, as \`${name}\` is`, {
        where: name,
        fix: 'save as .safetensors',
      });
    return [name, tensorCall(info, className, keys.get(info.sameAs ?? name) ?? '')];
  });
  const folder = 'archive'; // what PyTorch itself calls it
  async function* entries() {
    yield { name: `${folder}/data.pkl`, data: pickle({ kind: 'items', made: ORDERED_DICT, items }) };
    yield { name: `${folder}/byteorder`, data: Buffer.from('little') };
    for (const [name, key] of keys) {
      const { data, dtype } = await source.read(name);
      const { buffer, byteOffset, byteLength } = isHalf(dtype) ? floatToHalf(data as Float32Array) : data;
      yield { name: `${folder}/data/${key}`, data: new Uint8Array(buffer, byteOffset, byteLength) };
    }
    yield { name: `${folder}/version`, data: Buffer.from('3\n') };
  }
  await writeZip(path, entries());
}

/** `_rebuild_tensor_v2(storage, offset 0, shape, strides, no gradient, no hooks)`. */
function tensorCall({ shape }: ArrayInfo, className: string, key: string): Picklable {
  const count = shape.reduce((a, b) => a * b, 1);
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * Math.max(b, 1), 1));
  const storageType: Picklable = { kind: 'global', module: 'torch', name: className };
  const id: Picklable = { kind: 'persistent', id: ['storage', storageType, key, 'cpu', count] };
  return { kind: 'call', callee: REBUILD, args: [id, 0, shape, strides, false, ORDERED_DICT] };
}
