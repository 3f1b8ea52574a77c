import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { OutputError } from './errors.js';

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When the process started, in the system's own ticks: process ids are used again. */
  readonly started: string;
}

const NAME = 'run.lock';

/**
 * Takes a folder for this process. A lock whose process is gone is taken over.
 *
 * @returns gives the folder back
 * @throws OutputError when another living process, or this one, holds it
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, NAME);
  const own: Holder = { pid: process.pid, host: hostname(), started: await startOf(process.pid) };
  const text = JSON.stringify({ ...own, id: randomBytes(6).toString('hex') });
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`;
  // Written first and then linked, so that nobody ever reads a lock that is not yet whole.
  await writeFile(temporary, text);
  try {
    for (let attempt = 0; ; attempt++) {
      if (await tryLink(temporary, path)) break;
      const found = await readFile(path, 'utf8').catch(() => undefined);
      if (found === undefined) continue; // given back meanwhile
      const holder = parse(found);
      if (attempt > 5 || (holder !== undefined && (await isAlive(holder)))) throw inUse(folder, holder);
      await remove(path, found, `${temporary}.stale`);
    }
  } finally {
    await rm(temporary, { force: true });
  }
  return async () => {
    if ((await readFile(path, 'utf8').catch(() => undefined)) === text) await rm(path, { force: true });
  };
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw thrown;
  }
}

/** Removes a stale lock; one that another process put there meanwhile goes back to its place. */
async function remove(path: string, stale: string, aside: string): Promise<void> {
  await rename(path, aside).catch(() => undefined);
  const moved = await readFile(aside, 'utf8').catch(() => undefined);
  if (moved !== undefined && moved !== stale) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

function parse(text: string): Holder | undefined {
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return undefined;
  }
}

async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.host !== hostname()) return true; // cannot be known from here
  try {
    process.kill(holder.pid, 0);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return holder.started === (await startOf(holder.pid));
}

/** Field 22 of Linux's process table; empty elsewhere, where the process id alone decides. */
async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function inUse(folder: string, holder: Holder | undefined): OutputError {
  const who = holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host}`;
  return new OutputError(`${folder} is in use by ${who}`, {
    where: join(folder, NAME),
    fix: `wait for it or stop it; if it no longer runs, remove ${join(folder, NAME)}`,
  });
}
