#!/usr/bin/env node
// npm start: set-up, then the main job.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './setup/say.mjs';
import { runScript, setup } from './setup.mjs';

await runScript(async () => {
  await setup();
  const { status } = spawnSync(
    process.execPath,
    [join(ROOT, 'bin', 'cellsam.mjs'), 'quickstart', ...process.argv.slice(2)],
    {
      stdio: 'inherit',
    },
  );
  process.exitCode = status ?? 1;
});
