import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { writePng } from '../../src/io/png.js';
import { compare, compareJobOptions } from '../../src/jobs/compare.js';
import { context, failure, folder, run } from '../support/evaluating.js';

/** Label images of 12 x 12 as 16-bit PNG; each text is one row of digits, repeated to a square. */
async function masks(files: Readonly<Record<string, readonly number[]>>, width = 12): Promise<string> {
  const root = folder();
  for (const [name, row] of Object.entries(files)) {
    const data = Uint16Array.from({ length: row.length * width }, (_, i) => row[i % row.length] as number);
    writeFileSync(join(root, name), await writePng({ width: row.length, height: width, channels: 1, data }));
  }
  return root;
}

const ROW = [1, 1, 1, 1, 0, 0, 2, 2, 2, 2, 0, 0];
const ONE_OF_TWO = [7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0];

describe('masks of any program', () => {
  test('are paired by name and scored with all figures of each image and pooled', async () => {
    const truth = await masks({ 'a.png': ROW, 'b_masks.png': ROW });
    const pred = await masks({ 'a_cp_masks.png': ROW, 'b_pred.png': ONE_OF_TWO });
    const result = await run({ pred, truth });
    expect(result.per_image.map(({ id, n_true, n_pred }) => [id, n_true, n_pred])).toEqual([
      ['a', 2, 2],
      ['b', 2, 1],
    ]);
    expect(result.datasets[0]?.pooled[0]).toMatchObject({ tp: 3, fp: 0, fn: 1, f1: 6 / 7 });
    expect(result.datasets[0]?.mean_f1[0]).toBeCloseTo((1 + 2 / 3) / 2, 12);
    expect(readFileSync(join(pred, 'report', 'per_image.csv'), 'utf8').split('\r\n')).toHaveLength(4);
  });

  test('that do not fit are all named', async () => {
    const truth = await masks({ 'a.png': ROW, 'b.png': ROW, 'c.png': ROW });
    const alone = await failure(run({ truth, pred: await masks({ 'b.png': ROW, 'z.png': ROW }) }));
    for (const name of ['a.png', 'c.png', 'z.png']) expect(alone).toContain(name);
    const npy = await masks({ 'a.png': ROW.slice(0, 8), 'b.png': ROW.map((v) => (v > 0 ? 255 : 0)) });
    writeFileSync(join(npy, 'c.npy'), floats());
    const wrong = await failure(run({ truth, pred: npy }));
    expect(wrong).toMatch(/a\.png is 8 x 12, its truth .*a\.png 12 x 12/);
    expect(wrong).toMatch(/b\.png is a binary mask: one value for 2 separate pieces/);
    expect(wrong).toMatch(/c\.npy has the value 0\.5 at row 0, column 0/);
    expect(wrong).toContain('3 of 3 images cannot be scored');
  });

  test('binary ones can be split into pieces', async () => {
    const truth = await masks({ 'a.png': ROW });
    const pred = await masks({ 'a.png': ROW.map((v) => (v > 0 ? 255 : 0)) });
    expect((await run({ truth, pred, binary: 'split' })).per_image[0]).toMatchObject({ n_pred: 2, aji: 1 });
  });

  test('of two programs are compared image by image; other images are refused', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `${name}.png`);
    const all = (row: readonly number[]) => masks(Object.fromEntries(names.map((name) => [name, row])));
    const [truth, good, bad] = [await all(ROW), await all(ROW), await all(ONE_OF_TWO)];
    const result = await compare(compareJobOptions.parse({ a: bad, b: good, truth }), context);
    const f1 = result.metrics.find(({ metric }) => metric === 'f1_50');
    expect(f1).toMatchObject({ images: 6, better: 'b', p: 2 / 64 });
    expect(f1?.difference.mean).toBeCloseTo(1 / 3, 12);
    expect(result.metrics.find(({ metric }) => metric === 'absolute_count_error')?.better).toBe('b');
    // Written with other ids: the same masks. With an object shifted by one pixel: others.
    const renumbered = await all(ROW.map((v) => (v > 0 ? 9 - v : 0)));
    const shifted = await all([0, ...ROW.slice(0, -1)]);
    await run({ pred: good, truth, out: join(good, 'x') });
    await run({ pred: bad, truth: renumbered, out: join(bad, 'x') });
    await run({ pred: bad, truth: shifted, out: join(bad, 'y') });
    const by = (other: string) =>
      compare({ a: join(good, 'x'), b: join(bad, other), binary: 'refuse' }, context);
    expect((await by('x')).images).toBe(6);
    expect(await failure(by('y'))).toMatch(/other true masks/);
    const one = await masks({ 'a.png': ROW });
    await run({ pred: good, truth, out: join(good, 'r') });
    await run({ pred: one, truth: one, out: join(one, 'r') });
    expect(
      await failure(compare({ a: join(good, 'r'), b: join(one, 'r'), binary: 'refuse' }, context)),
    ).toMatch(/not of the same images/);
  });

  /** A 12 x 12 npy of float32, all 0.5. */
  function floats(): Uint8Array {
    const text = "{'descr': '<f4', 'fortran_order': False, 'shape': (12, 12), }";
    const header = Buffer.from(`${text.padEnd(117)}\n`);
    const head = Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Buffer.from([118, 0]), header]);
    return Buffer.concat([head, Buffer.from(new Float32Array(144).fill(0.5).buffer)]);
  }
});

test.each([
  [{ pred: 'x' }, /^--truth is missing: the true masks that those of x are scored against$/],
  [{ truth: 'x' }, /^--pred is missing/],
  [{ model: 'm', pred: 'x' }, /^--model and --pred do not go together/],
  [{}, /--model or --pred is missing/],
])('with %j the option that is missing or too many is named', async (options, told) => {
  expect(await failure(run(options))).toMatch(told);
});
