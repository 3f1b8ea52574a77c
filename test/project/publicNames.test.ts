import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import * as cellsam from '../../src/index.js';

test('the public names are these and no others', () => {
  expect(Object.keys(cellsam).sort()).toEqual(
    [
      'adapt',
      'adaptJobOptions',
      'Cells',
      'CellSegmenter',
      'CellsamError',
      'checkDataset',
      'checkJobOptions',
      'evaluate',
      'evaluateJobOptions',
      'exportModel',
      'exportJobOptions',
      'loadCellSam',
      'loadConfig',
      'openDataset',
      'readImage',
      'saveOutputs',
      'simulate',
      'train',
      'trainJobOptions', // biome-ignore format: a list
    ].sort(),
  );
});

test.each(['data', 'evaluate'])('cellsam/%s loads nothing of TensorFlow', (name) => {
  const seen = new Set<string>();
  const follow = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const [, from = ''] of readFileSync(path, 'utf8').matchAll(/^(?:import|export)[^;(]*?'([^']+)'/gm)) {
      expect(`${path} ${from}`).not.toContain('@tensorflow');
      if (from.startsWith('.')) follow(join(dirname(path), from));
    }
  };
  follow(`dist/src/${name}/index.js`);
  expect(seen.size).toBeGreaterThan(5);
});

test('every file that package.json exports exists', () => {
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    exports: Record<string, string | { import: string }>;
  };
  for (const target of Object.values(exports)) {
    expect(readFileSync(typeof target === 'string' ? target : target.import).length).toBeGreaterThan(0);
  }
});
