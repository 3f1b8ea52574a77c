#!/usr/bin/env node
// npm test: set-up, then jest on the compiled tests. Further arguments go to jest: npm test -- image/boxes
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './setup/say.mjs';
import { runScript, setup } from './setup.mjs';

await runScript(async () => {
  await setup();
  const jest = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
  // What tests write goes with them.
  const folder = mkdtempSync(join(tmpdir(), 'cellsam-test-'));
  try {
    const { status } = spawnSync(
      process.execPath,
      ['--experimental-vm-modules', '--no-warnings', jest, ...process.argv.slice(2)],
      {
        stdio: 'inherit',
        cwd: ROOT,
        // Within jest `process.env` is a copy that TensorFlow does not see.
        env: { TF_CPP_MIN_LOG_LEVEL: '1', ...process.env, TMPDIR: folder },
      },
    );
    process.exitCode = status ?? 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
