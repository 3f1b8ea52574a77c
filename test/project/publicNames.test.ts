import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import * as cellsam from '../../src/index.js';

test('the public names are these and no others', () => {
  expect(Object.keys(cellsam).sort()).toEqual(
    [
      'Cells',
      'CellSegmenter',
      'CellsamError',
      'evaluate',
      'evaluateJobOptions',
      'loadCellSam',
      'loadConfig',
      'openDataset',
      'readImage',
      'simulate',
      'train',
      'trainJobOptions', // biome-ignore format: a list
    ].sort(),
  );
});

test('every file that package.json exports exists', () => {
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    exports: Record<string, string | { import: string }>;
  };
  for (const target of Object.values(exports)) {
    expect(readFileSync(typeof target === 'string' ? target : target.import).length).toBeGreaterThan(0);
  }
});
