import { stat } from 'node:fs/promises';
import { relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { sha256OfFile } from '../core/hash.js';

/** Larger files are known by their size only; hashing them would take longer than some people wait. */
const LARGE = 2 ** 28;

/** The image file that results come from. */
export const sourceFile = z.object({
  /** From the folder of results, with slashes. */
  path: z.string(),
  /** 0 for a folder (OME-Zarr). */
  bytes: z.number(),
  /** When it was last changed, in ms. */
  modified: z.number(),
  /** Absent for folders and large files. */
  sha256: z.string().optional(),
});

export type SourceFile = z.infer<typeof sourceFile>;

export async function sourceFileOf(path: string, folder: string): Promise<SourceFile> {
  const look = await lookAt(path, folder);
  return look.bytes === 0 || look.bytes > LARGE ? look : { ...look, sha256: await sha256OfFile(path) };
}

/** Whether a file is the image that results come from, also where it was moved or written anew with the same content. */
export async function isSameFile(known: SourceFile, path: string, folder: string): Promise<boolean> {
  const now = await lookAt(path, folder);
  if (now.path === known.path && now.bytes === known.bytes && now.modified === known.modified) return true;
  if (now.bytes === 0) return now.path === known.path;
  if (now.bytes !== known.bytes) return false;
  return known.sha256 === undefined || known.sha256 === (await sha256OfFile(path));
}

async function lookAt(path: string, folder: string): Promise<SourceFile> {
  const found = await stat(path);
  return {
    path: relative(resolve(folder), resolve(path)).split(sep).join('/'),
    bytes: found.isDirectory() ? 0 : found.size,
    modified: Math.round(found.mtimeMs),
  };
}
