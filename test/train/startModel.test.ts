import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { NamedArray } from '../../src/core/arrays.js';
import { Random } from '../../src/core/random.js';
import { writeSafetensors } from '../../src/io/safetensorsWrite.js';
import { CellSam } from '../../src/models/cellsam.js';
import { initDetailsOf } from '../../src/train/options.js';
import { startModel } from '../../src/train/startModel.js';
import { tinyConfig } from '../support/tinyModel.js';

const folder = mkdtempSync(join(tmpdir(), 'init-'));
const config = tinyConfig();
const donor = (() => {
  const model = CellSam.create(config, new Random('donor'));
  const arrays = model.toArrays();
  model.dispose();
  return arrays;
})();

async function start(arrays: ReadonlyMap<string, NamedArray>, details: object = {}, to = config) {
  const path = join(folder, 'weights.safetensors');
  await writeSafetensors(path, arrays);
  const notes: string[] = [];
  const init = initDetailsOf({ ...initDetailsOf(path), ...details } as never);
  const model = await startModel(to, init, path, new Random('fresh'), {
    emit: (event) => event.kind === 'note' && notes.push(event.message),
  });
  const own = model.toArrays();
  model.dispose();
  return { own, notes: notes.join('\n') };
}

const renamed = (from: RegExp, to: string, only = /./) =>
  new Map(
    [...donor].filter(([name]) => only.test(name)).map(([name, array]) => [name.replace(from, to), array]),
  );

describe('a model that starts from a file', () => {
  test('has its weights, bit for bit', async () => {
    const { own } = await start(donor);
    for (const [name, { data }] of donor) expect([name, own.get(name)?.data]).toEqual([name, data]);
  });

  test("takes SAM's names, and starts fresh what SAM does not have and the user allows", async () => {
    const sam = renamed(/^model\./, '', /^model\./);
    const { own, notes } = await start(sam, { allowMissing: ['^cellfinder\\.'] });
    const [neck, score] = ['model.image_encoder.neck.0.weight', 'cellfinder.decode_head.dense.score.weight'];
    expect(own.get(neck)?.data).toEqual(donor.get(neck)?.data);
    expect(own.get(score)?.data).not.toEqual(donor.get(score)?.data);
    expect(notes).toMatch(/weights that it lacks start fresh/);
  });

  test('changes names as init.rename says', async () => {
    const { own } = await start(renamed(/^model\./, 'other.'), {
      rename: [{ from: '^other\\.', to: 'model.' }],
    });
    expect(own.get('model.image_encoder.pos_embed')?.data).toEqual(
      donor.get('model.image_encoder.pos_embed')?.data,
    );
  });

  test('does not start when names or shapes disagree, and one error lists all of them', async () => {
    const damaged = new Map(donor);
    damaged.delete('model.image_encoder.neck.0.weight');
    damaged.set('model.image_encoder.nekc.1', { shape: [1], dtype: 'float32', data: new Float32Array(1) });
    damaged.set('model.image_encoder.neck.1.bias', {
      shape: [3],
      dtype: 'float32',
      data: new Float32Array(3),
    });
    const failure = await start(damaged).catch((thrown: unknown) => thrown);
    const { problems, fix } = failure as { problems: { where: string }[]; fix: string };
    expect(problems.map((p) => p.where).sort()).toEqual([
      'model.image_encoder.neck.0.weight',
      'model.image_encoder.neck.1.bias',
      'model.image_encoder.nekc.1',
    ]);
    expect(fix).toMatch(/init\.allowMissing/);
  });

  test('of another image size resamples tables of positions: a linear table stays linear', async () => {
    const [name, , dim] = ['model.image_encoder.pos_embed', 0, config.vit.embedDim];
    const rows = config.vit.imgSize / config.vit.patchSize;
    const ramp = Float32Array.from({ length: rows * rows * dim }, (_, i) => Math.floor(i / dim) % rows);
    const larger = tinyConfig(128);
    const { own, notes } = await start(
      new Map([...donor, [name, { shape: [1, rows, rows, dim], dtype: 'float32', data: ramp }]]),
      {},
      larger,
    );
    const table = own.get(name)?.data as Float32Array;
    const row = Array.from({ length: 2 * rows }, (_, x) => table[x * dim]);
    expect(row.slice(1, -1)).toEqual(Array.from({ length: 2 * rows - 2 }, (_, x) => (x + 1.5) / 2 - 0.5));
    expect(notes).toMatch(/resampled to views of 128 px/);
  });
});
