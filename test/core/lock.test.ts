import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { lockFolder } from '../../src/core/lock.js';

const empty = () => mkdtempSync(join(tmpdir(), 'lock-'));

describe('a locked folder', () => {
  test('is refused to others until it is given back, and leaves no file', async () => {
    const folder = empty();
    const release = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toThrow(`in use by process ${process.pid}`);
    await release();
    await (await lockFolder(folder))();
    expect(readdirSync(folder)).toEqual([]);
  });

  test.each([
    ['whose process is gone', { pid: 2 ** 22 + 1 }],
    ['whose process id now belongs to another process', { started: '1' }],
  ])('%s is taken over', async (_, change) => {
    const folder = empty();
    const release = await lockFolder(folder);
    const own = JSON.parse(readFileSync(join(folder, 'run.lock'), 'utf8')) as object;
    await release();
    writeFileSync(join(folder, 'run.lock'), JSON.stringify({ ...own, ...change }));
    await (await lockFolder(folder))();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('of another machine is never taken over: whether it lives cannot be known from here', async () => {
    const folder = empty();
    writeFileSync(join(folder, 'run.lock'), JSON.stringify({ pid: 1, host: 'elsewhere', started: '1' }));
    await expect(lockFolder(folder)).rejects.toThrow(/process 1 on elsewhere/);
  });

  test('that many want at once goes to one of them', async () => {
    const folder = empty();
    writeFileSync(join(folder, 'run.lock'), 'cut off');
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder)));
    expect(tries.filter((t) => t.status === 'fulfilled')).toHaveLength(1);
  });
});
