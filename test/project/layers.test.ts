import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from '@jest/globals';

/** Which folder may import which, besides itself; `docs/architecture.md` has the picture. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  config: ['core'],
  io: ['core', 'image'],
  image: ['core'],
  data: ['core', 'config', 'io', 'image'],
  tf: ['core'],
  models: ['core', 'config', 'image', 'tf'],
  graph: ['core', 'io', 'tf'],
  weights: ['core', 'image', 'io', 'tf', 'models'],
  segment: ['core', 'config', 'io', 'image', 'data', 'tf', 'graph', 'models', 'weights'],
  evaluate: ['core', 'config', 'io', 'image', 'data', 'tf', 'models', 'weights', 'segment'],
  train: ['core', 'config', 'io', 'image', 'data', 'tf', 'graph', 'models', 'weights', 'segment', 'evaluate'],
  export: ['core', 'config', 'io', 'image', 'data', 'tf', 'graph', 'models', 'weights', 'segment'],
  adapt: ['core', 'config', 'data', 'image', 'tf', 'models', 'weights', 'segment', 'evaluate', 'train'],
  jobs: [
    'core',
    'config',
    'io',
    'image',
    'data',
    'tf',
    'models',
    'weights',
    'segment',
    'evaluate',
    'train',
    'export',
    'adapt',
  ],
  cli: ['core', 'config', 'jobs'],
};

test('every import goes down the layers, and only tf/ names TensorFlow', () => {
  const faults: string[] = [];
  for (const entry of readdirSync('src', { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const path = join(entry.parentPath, entry.name);
    const own = relative('src', path).split('/')[0] ?? '';
    if (own === 'index.ts') continue; // the public names come from everywhere
    for (const [, from = ''] of readFileSync(path, 'utf8').matchAll(/(?:from|import\()\s*'([^']+)'/g)) {
      if (from.startsWith('@tensorflow/') && own !== 'tf') faults.push(`${path} names ${from}`);
      if (!from.startsWith('.')) continue;
      const target = relative('src', join(entry.parentPath, from)).split('/')[0] ?? '';
      if (target !== own && !(ALLOWED[own] ?? []).includes(target) && !target.endsWith('.js'))
        faults.push(`${path} imports ${target}/`);
    }
  }
  expect(faults).toEqual([]);
});
