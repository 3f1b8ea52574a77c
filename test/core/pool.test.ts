import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from '@jest/globals';
import { openPool } from '../../src/core/pool.js';

const busy = (ms: number): void => {
  const begun = performance.now();
  while (performance.now() - begun < ms);
};

test('threads end while answers are on their way', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pool-'));
  const module = join(folder, 'work.mjs');
  writeFileSync(
    module,
    'export default (n) => { const t = performance.now(); while (performance.now() - t < 3); return n; };',
  );
  const answers: unknown[] = [];
  for (let i = 0; i < 8; i++) {
    const pool = await openPool<number, number>(pathToFileURL(module), 2);
    const tasks = Array.from({ length: 12 }, (_, n) => pool.run(n).catch(() => 'rejected'));
    answers.push(await tasks[0]);
    busy(i); // meanwhile further answers arrive, which nobody has read when the threads end
    await pool.close();
    await Promise.all(tasks);
  }
  expect(answers).toEqual(Array.from({ length: 8 }, () => 0));
  rmSync(folder, { recursive: true });
});
