import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, open, readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { OutputError, reason } from './errors.js';

/**
 * Writes a file whole or not at all: to a temporary name beside it, flushed, then renamed. Folders above are made.
 *
 * @throws OutputError when the place is not writable or the disk is full; what was there before stays
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  await writeAtomic(path, async (temporary) => {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
  });
}

/**
 * Like `writeFileAtomic` for writers that stream: `write` fills the temporary file whose path it is given.
 *
 * @throws OutputError as above
 */
export async function writeAtomic(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = temporaryBeside(path);
  try {
    await makeFolder(dirname(path));
    await write(temporary);
    await rename(temporary, path);
  } catch (thrown) {
    await rm(temporary, { force: true, recursive: true }).catch(() => undefined); // below a file there is nothing
    throw asOutputError(path, thrown);
  }
}

/** How another place is chosen where a job does not say it otherwise. */
const ELSEWHERE = 'choose a folder that you may write to, with --out';

/**
 * Makes a folder and those above it; one that is there is left as it is. Node's own `recursive` is not used: where the
 * system answers "no such file" about a name in a folder that exists, as below /proc, it asks for ever, in a thread that no
 * signal reaches.
 *
 * @param fix how another folder is chosen
 * @returns the uppermost folder that was made; undefined where all were there
 * @throws OutputError where a file stands in the way or the place is not writable
 */
export async function makeFolder(folder: string, fix = ELSEWHERE): Promise<string | undefined> {
  const path = resolve(folder);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return undefined;
  if (found !== undefined)
    throw new OutputError(`${folder} is a file, and a folder is needed`, { where: folder, fix });
  const above = dirname(path);
  const first = above === path ? undefined : await makeFolder(above, fix);
  try {
    await mkdir(path);
    return first ?? path;
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    // Another process was quicker, unless it is a link that leads nowhere.
    if (code === 'EEXIST' && (await stat(path).catch(() => undefined))?.isDirectory()) return first;
    throw code === 'ENOENT' ? notWritable(path, thrown, fix) : asOutputError(path, thrown, fix);
  }
}

/**
 * A text file, or undefined where there is none.
 *
 * @throws the system's error when there is one that cannot be read
 */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  }
}

/** A name in the same folder that no other process uses and that every listing of ours skips. */
export function temporaryBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.tmp-${process.pid}-${randomBytes(4).toString('hex')}`);
}

/** An hour without a change: a writer that is alive writes more often. */
const STALE_MS = 3_600_000;

/** Removes temporaries that a killed process has left in a folder: none running here has its number, and they are an hour old. */
export async function removeStaleIn(folder: string, now: number = Date.now()): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const [, pid] = /^\..+\.tmp-(\d+)-[0-9a-f]+$/.exec(name) ?? [];
    if (pid === undefined) continue;
    const own = join(folder, name);
    const found = await stat(own).catch(() => undefined);
    if (found === undefined || now - found.mtimeMs < STALE_MS || isRunning(Number(pid))) continue;
    await rm(own, { force: true, recursive: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0); // asks, and sends nothing
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

export async function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}

/**
 * Tries to write into a folder and leaves everything as it was: what takes long should not find out at its end that its
 * results have no place.
 *
 * @param fix how another folder is chosen; with --out when absent
 * @throws OutputError when the folder cannot be made or written into
 */
export async function requireWritable(folder: string, fix?: string): Promise<void> {
  const probe = temporaryBeside(join(folder, 'probe'));
  let made: string | undefined;
  try {
    made = await makeFolder(folder, fix);
    await writeFile(probe, '');
  } catch (thrown) {
    throw asOutputError(folder, thrown, fix);
  } finally {
    await rm(probe, { force: true }).catch(() => undefined); // below a file there is nothing to remove
    if (made !== undefined) await removeEmpty(resolve(folder), resolve(made));
  }
}

/** Removes a folder and those above it up to `top`, as far as they are empty. */
async function removeEmpty(folder: string, top: string): Promise<void> {
  for (let path = folder; path.startsWith(top); path = dirname(path))
    await rmdir(path).catch(() => undefined); // another process has begun to use it
}

const DENIED: ReadonlySet<string> = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'EEXIST',
  'EISDIR',
  'ENAMETOOLONG',
]);

/**
 * Foreseen failures of writing as an OutputError, anything else as it is.
 *
 * @param fix how another place is chosen; with --out when absent
 */
export function asOutputError(path: string, thrown: unknown, fix = ELSEWHERE): unknown {
  const code = (thrown as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ENOSPC') {
    return new OutputError(`no space left on the disk while writing ${path}`, {
      where: path,
      fix: 'free some space and run the same command again; nothing that was saved before is lost',
      cause: thrown,
    });
  }
  if (DENIED.has(code ?? '')) return notWritable(path, thrown, fix);
  return thrown;
}

function notWritable(path: string, thrown: unknown, fix: string): OutputError {
  return new OutputError(`cannot write ${path}: ${reason(thrown)}`, { where: path, fix, cause: thrown });
}
