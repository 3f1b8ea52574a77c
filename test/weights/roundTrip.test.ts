import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { NamedArray } from '../../src/core/arrays.js';
import { floatToHalf, halfToFloat } from '../../src/io/half.js';
import { writeSafetensors } from '../../src/io/safetensorsWrite.js';
import { CellSam } from '../../src/models/cellsam.js';
import { tf } from '../../src/tf/index.js';
import { identify } from '../../src/weights/identify.js';
import { loadWeights, openWeights } from '../../src/weights/load.js';
import { writeTorch } from '../../src/weights/torchWrite.js';

const folder = mkdtempSync(join(tmpdir(), 'weights-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A golden set's own sizes tell most of its configuration; what names cannot tell changes no weight. */
async function modelIn(path: string): Promise<{ model: CellSam; unused: readonly string[] }> {
  const file = await openWeights(path);
  const unused: string[] = [];
  const { config, source } = identify(file);
  const model = await CellSam.fromSource(config, source, { onUnused: (names) => unused.push(...names) });
  await file.close();
  return { model, unused };
}

/** Equal bit for bit; jest's own comparison of typed arrays takes half a minute here. */
function isSame(a: NamedArray['data'] | undefined, b: NamedArray['data']): boolean {
  const bytes = (x: NamedArray['data']) => Buffer.from(x.buffer, x.byteOffset, x.byteLength);
  return a !== undefined && bytes(a).equals(bytes(b));
}

describe.each(['a', 'a2'])('set %s: weights -> model -> file -> model', (set) => {
  const stem = `test/fixtures/golden/${set}.weights.safetensors`;

  test.each(['safetensors', 'pt'])('through .%s every name, shape and bit is the same', async (ending) => {
    const before = tf.memory().numTensors;
    const source = await loadWeights(stem);
    const first = await modelIn(stem);
    const path = join(folder, `${set}.${ending}`);
    await (ending === 'pt' ? writeTorch : writeSafetensors)(path, first.model.toSource());
    const second = await modelIn(path);
    const [written, again] = [await loadWeights(path), second.model.toArrays()];
    const expected = [...source].filter(([name]) => !first.unused.includes(name));
    expect(first.unused.every((name) => set === 'a2' && name.startsWith('model.'))).toBe(true);
    expect([...written.keys()].sort()).toEqual(expected.map(([name]) => name).sort());
    for (const [name, { shape, data }] of expected) {
      expect([name, written.get(name)?.shape, again.get(name)?.shape]).toEqual([name, shape, shape]);
      expect([name, isSame(written.get(name)?.data, data), isSame(again.get(name)?.data, data)]).toEqual([name, true, true]); // biome-ignore format: long
    }
    first.model.dispose();
    second.model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('heads that layers share are stored once in a .pt file, as PyTorch does', async () => {
  const { model } = await modelIn('test/fixtures/golden/a.weights.safetensors');
  const path = join(folder, 'shared.pt');
  await writeTorch(path, model.toSource());
  const file = await openWeights(path);
  const head = 'cellfinder.decode_head.transformer.class_embed';
  expect(file.entries.get(`${head}.1.weight`)?.sameAs).toBe(`${head}.0.weight`);
  expect(file.entries.get(`${head}.0.weight`)?.sameAs).toBeUndefined();
  await file.close();
  model.dispose();
});

test('float16 keeps every value that it can hold and rounds the others to the nearest even', () => {
  const bits = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((b) => (b & 0x7fff) <= 0x7c00);
  expect(isSame(floatToHalf(halfToFloat(bits)), bits)).toBe(true);
  const values = Float32Array.of(
    2049,
    2051,
    65519,
    65520,
    2 ** -25,
    3 * 2 ** -25,
    1 + 2 ** -11,
    1 + 3 * 2 ** -11,
  );
  const rounded = [2048, 2052, 65504, Number.POSITIVE_INFINITY, 0, 2 ** -23, 1, 1 + 2 ** -9];
  expect([...halfToFloat(floatToHalf(values))]).toEqual(rounded);
  expect(halfToFloat(floatToHalf(Float32Array.of(Number.NaN)))).toEqual(Float32Array.of(Number.NaN));
});

test('a file that was written twice is the same byte for byte', async () => {
  const source = await loadWeights('test/fixtures/golden/a.weights.safetensors');
  for (const name of ['one.pt', 'two.pt']) await writeTorch(join(folder, name), source, { half: true });
  expect(readFileSync(join(folder, 'one.pt')).equals(readFileSync(join(folder, 'two.pt')))).toBe(true);
});
