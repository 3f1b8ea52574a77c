import { open, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DataError, reason } from '../../core/errors.js';

/**
 * All files below a folder, relative, with `/` on every system, sorted; hidden files and folders are left out. A folder
 * whose name ends in `.zarr` counts as one file.
 *
 * @throws DataError when the folder cannot be read
 */
export async function filesBelow(root: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (folder: string): Promise<void> => {
    for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory() && !entry.name.endsWith('.zarr')) await visit(name);
      else found.push(name);
    }
  };
  await visit('').catch((thrown) => {
    const { path = root } = thrown as NodeJS.ErrnoException; // it may be a folder below
    throw new DataError(`cannot read the dataset folder ${path}: ${reason(thrown)}`, {
      where: path,
      fix: 'set data.root to the folder that holds the images',
      cause: thrown,
    });
  });
  return found.sort();
}

/** A file's name without its folder and the last ending (`.nii.gz` and `.ome.tif` are one ending). */
export function stemOf(file: string): string {
  return basename(file).replace(/(\.ome)?\.(tiff?|zarr)$|\.nii\.gz$|\.[^.]*$/i, '');
}

/** The beginning of a file as text, for a look at what it is; empty when it cannot be read. */
export async function readHead(path: string, bytes = 65_536): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return '';
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}
