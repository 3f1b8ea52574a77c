#!/usr/bin/env node
// npm run check: format, lint and types; npm run fix repairs what can be repaired.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './setup/say.mjs';

const bin = (name) => join(ROOT, 'node_modules', '.bin', name);
const fix = process.argv.includes('--fix');
const steps = [
  [bin('biome'), fix ? ['check', '--write'] : ['ci']],
  [bin('tsc'), ['-p', ROOT]],
];
for (const [command, args] of steps) {
  const { status } = spawnSync(command, args, { stdio: 'inherit', cwd: ROOT });
  if (status !== 0) {
    console.error(fix ? 'Some findings need your hand.' : 'To repair what can be repaired: npm run fix');
    process.exit(1);
  }
}
