import { type FileHandle, open } from 'node:fs/promises';
import type { ArraySource } from '../core/arrays.js';
import { DataError, WeightsError } from '../core/errors.js';
import { arrayOf } from '../io/arrayOf.js';
import { stateDict } from './stateDict.js';
import { openLegacyForm, openZipForm, type TorchContainer } from './torchContainers.js';
import { checkViews, extentOf, gather, infoOf } from './torchViews.js';

const ZIP_MAGIC = 0x04034b50;

/** An open PyTorch file; tensors are read on demand. The caller closes it. */
export interface TorchSource extends ArraySource {
  readonly form: 'zip' | 'legacy';
  close(): Promise<void>;
}

/**
 * Opens a PyTorch file (`.pt`, `.pth`; zip or legacy form) without running any code of it. Views become contiguous
 * arrays when read; float16 and bfloat16 are widened to float32.
 *
 * @throws WeightsError when the file is damaged, hostile, or holds no state dict; reading throws it too
 */
export async function openTorch(path: string): Promise<TorchSource> {
  const file = await open(path, 'r').catch((thrown) => {
    throw new WeightsError(`cannot read ${path}`, { where: path, fix: 'check the path', cause: thrown });
  });
  try {
    return await sourceIn(path, file);
  } catch (thrown) {
    await file.close();
    throw explained(path, thrown);
  }
}

async function sourceIn(path: string, file: FileHandle): Promise<TorchSource> {
  const magic = Buffer.alloc(4);
  await file.read(magic, 0, 4, 0);
  const form = magic.readUInt32LE(0) === ZIP_MAGIC ? 'zip' : 'legacy';
  const container = form === 'zip' ? await openZipForm(path) : await openLegacyForm(path, file);
  const { size } = await file.stat();
  if (form === 'zip') await file.close(); // the archive has its own handle
  try {
    return sourceOfContainer(path, form, container, size);
  } catch (thrown) {
    await container.close();
    throw thrown;
  }
}

function sourceOfContainer(
  path: string,
  form: TorchSource['form'],
  container: TorchContainer,
  fileSize: number,
): TorchSource {
  const tensors = stateDict(container.value, path);
  checkViews(tensors, fileSize, (what) => new DataError(what, { where: path }));
  return {
    form,
    entries: infoOf(tensors),
    read: async (name) => {
      const tensor = tensors.get(name);
      if (tensor === undefined) throw new RangeError(`${path} has no \`${name}\``);
      const { storage, size: shape, count } = tensor;
      const [from, to] = extentOf(tensor);
      try {
        const bytes =
          count === 0
            ? new Uint8Array(0)
            : await container.read(storage, from * storage.elementBytes, to * storage.elementBytes);
        return arrayOf(gather(bytes, tensor), shape, storage.stored);
      } catch (thrown) {
        throw explained(path, thrown);
      }
    },
    close: () => container.close(),
  };
}

function explained(path: string, thrown: unknown): unknown {
  if (!(thrown instanceof DataError)) return thrown;
  return new WeightsError(`${path} cannot be read as PyTorch weights: ${thrown.message}`, {
    where: path,
    fix: 'download it again, from a source that you trust',
    cause: thrown,
  });
}
