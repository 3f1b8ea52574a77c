import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, run, say, Trouble, tail } from './say.mjs';

const MINIMUM = [20, 19];
const STAMP = join(ROOT, 'node_modules', '.cellsam-lock');

/** @throws Trouble when this Node is too old */
export function checkNode(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number);
  if (major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1])) return;
  throw new Trouble(
    `Node ${version} is too old; ${MINIMUM.join('.')} or newer is needed.`,
    'install a current Node from https://nodejs.org or with nvm, then run the same command again.',
  );
}

/**
 * Installs what package-lock.json pins, once for each content of it. Not with `npm ci`: that refuses the lock file where a
 * registry does not offer the binaries of other platforms, which npm then leaves out of it.
 */
export async function installDependencies() {
  const lock = createHash('sha256')
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .digest('hex');
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === lock) return;
  say('Installing dependencies with npm (about 1 GB, a minute or two) ...');
  const { code, output } = await run(
    'npm',
    ['install', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts'],
    {
      title: 'npm install',
      env: { NODE_ENV: 'development' },
    },
  );
  if (code !== 0) {
    throw new Trouble(
      `npm could not install the dependencies:\n${tail(output)}`,
      'check the network and `npm config get registry`, then run the same command again.',
    );
  }
  writeFileSync(STAMP, lock);
}
