import { mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { OutputError } from '../../src/core/errors.js';
import {
  makeFolder,
  removeStaleIn,
  requireWritable,
  temporaryBeside,
  writeFileAtomic,
} from '../../src/core/files.js';

test('what a killed process left in a folder goes; what is young, belongs to one that runs, or is no temporary, stays', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stale-'));
  const path = join(folder, 'a.tif');
  const old = new Date(Date.now() - 2 * 3_600_000);
  const dead = 2 ** 30; // above every process number of Linux
  const names = [`.a.tif.tmp-${dead}-00`, `.a.tif.tmp-${dead}-01`, `.b.tif.tmp-${dead}`, 'a.tif'];
  const own = temporaryBeside(path);
  for (const file of [...names.map((name) => join(folder, name)), own]) {
    await writeFile(file, '');
    if (!file.endsWith('-01')) await utimes(file, old, old);
  }
  await removeStaleIn(folder);
  expect((await readdir(folder)).sort()).toEqual([...names.slice(1), own.slice(folder.length + 1)].sort());
  await rm(folder, { recursive: true });
});

test('a folder is made with those above it, twice and by two at once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'made-'));
  const deep = join(folder, 'a', 'b', 'c');
  await Promise.all([makeFolder(deep), makeFolder(deep)]);
  await requireWritable(deep);
  expect(await readdir(join(folder, 'a', 'b'))).toEqual(['c']);
  expect(await readdir(deep)).toEqual([]);
  await rm(folder, { recursive: true });
});

test('a file in the way, or a place that takes no folders, ends in an error and not in a loop', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'made-'));
  const file = join(folder, 'file');
  await writeFile(file, '');
  for (const path of [file, join(file, 'below'), '/proc/cellsam-none', '/proc/cellsam-none/below'])
    await expect(requireWritable(path)).rejects.toThrow(OutputError);
  await expect(makeFolder(join(file, 'below'))).rejects.toThrow(`${file} is a file, and a folder is needed`);
  await rm(folder, { recursive: true });
});

test('a folder is tried out before long work, and left as it was', async () => {
  const root = await mkdtemp(join(tmpdir(), 'writable-'));
  await requireWritable(join(root, 'a', 'b'));
  await requireWritable(root);
  expect(await readdir(root)).toEqual([]);
  const file = join(root, 'file');
  await writeFile(file, '');
  for (const folder of [file, join(file, 'a', 'b')])
    await expect(requireWritable(folder)).rejects.toMatchObject({
      exitCode: 7,
      message: `${file} is a file, and a folder is needed`,
      fix: expect.stringContaining('--out'),
    });
  expect(await readdir(root)).toEqual(['file']);
  await rm(root, { recursive: true });
});

test('a link that leads nowhere is no folder, and a detour leaves nothing behind', async () => {
  const root = await mkdtemp(join(tmpdir(), 'links-'));
  const link = join(root, 'link');
  await symlink(join(root, 'none'), link);
  await expect(requireWritable(link)).rejects.toThrow(OutputError);
  await requireWritable(`${root}/new1/../new2`);
  expect(await readdir(root)).toEqual(['link']);
  const file = join(root, 'file');
  await writeFile(file, '');
  await expect(writeFileAtomic(join(file, 'below'), 'x')).rejects.toThrow(OutputError);
  await rm(root, { recursive: true });
});
