// Runs a program of scripts/ or bench/ that is written in TypeScript: set-up first, then its compiled form.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './setup/say.mjs';
import { runScript, setup } from './setup.mjs';

/** @param {string} program path below dist/, e.g. 'scripts/parity.js' */
export async function runCompiled(program, args) {
  await runScript(async () => {
    await setup();
    const { status } = spawnSync(process.execPath, [join(ROOT, 'dist', program), ...args], {
      stdio: 'inherit',
    });
    process.exitCode = status ?? 1;
  });
}
