import { open } from 'node:fs/promises';
import type { NamedArrays } from '../core/arrays.js';
import { WeightsError } from '../core/errors.js';
import { readSafetensors } from '../io/safetensors.js';
import { readTorch } from './torch.js';

/**
 * Reads weights from `.safetensors`, `.pt` or `.pth`; the content decides, not the name.
 *
 * @throws WeightsError when the file is none of these, damaged or hostile
 */
export async function loadWeights(path: string): Promise<NamedArrays> {
  const file = await open(path, 'r').catch((thrown) => {
    throw new WeightsError(`cannot read ${path}`, { where: path, fix: 'check the path', cause: thrown });
  });
  const head = Buffer.alloc(9);
  await file.read(head, 0, 9, 0);
  await file.close();
  const isZip = head.readUInt32LE(0) === 0x04034b50;
  const isPickle = head[0] === 0x80 && (head[1] ?? 0) >= 2 && (head[1] ?? 0) <= 5 && head[8] !== 0x7b;
  if (isZip || isPickle) return readTorch(path);
  return (await readSafetensors(path)).tensors;
}
