import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { WeightsError } from '../../src/core/errors.js';
import { unpickle } from '../../src/io/pickle.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { openZip } from '../../src/io/zip.js';
import { writeZip } from '../../src/io/zipWrite.js';
import { loadWeights } from '../../src/weights/load.js';
import { describeWithShared } from '../support/shared.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torch-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describeWithShared('PyTorch files', 'golden', (golden) => {
  test.each(['zip', 'legacy'])('the %s form gives every element type bit for bit', async (form) => {
    const expected = (await readSafetensors(join(golden, 'dtypes.expected.safetensors'))).tensors;
    const found = await loadWeights(join(golden, `dtypes.${form}.pt`));
    expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [name, array] of expected) {
      expect({ name, shape: found.get(name)?.shape, dtype: found.get(name)?.dtype }).toEqual({
        name,
        shape: array.shape,
        dtype: array.dtype,
      });
      // Object.is element by element: zeros keep their sign, NaN equals NaN whatever its payload
      expect(found.get(name)?.data).toEqual(array.data);
    }
  });

  test('weights inside a training checkpoint are found', async () => {
    expect((await loadWeights(join(golden, 'dtypes.nested.pt'))).size).toBe(2);
  });

  test.each(['a', 'a2'])('set %s is the same in both formats', async (name) => {
    const torch = await loadWeights(join(golden, `${name}.weights.pt`));
    const safe = await loadWeights(join(golden, `${name}.weights.safetensors`));
    expect(torch).toEqual(safe);
  });

  test.each(['dtypes.zip.pt', 'dtypes.legacy.pt'])(
    '%s cut or altered anywhere is an error or weights, soon',
    async (name) => {
      const whole = readFileSync(join(golden, name));
      for (let i = 0; i < 150; i++) {
        const copy =
          i % 2 === 0 ? whole.subarray(0, Math.floor((whole.length * i) / 150)) : Buffer.from(whole);
        if (i % 2 === 1) copy[(i * 7919) % copy.length] = (i * 31) & 255;
        const path = join(folder, `${i}-${name}`);
        writeFileSync(path, copy);
        const thrown = await loadWeights(path).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(thrown === undefined || thrown instanceof WeightsError ? 'fine' : thrown).toBe('fine');
      }
    },
  );
});

test('a pickle that calls os.system is refused by name', async () => {
  const path = join(folder, 'evil.pt');
  const pickle = Buffer.from('\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.', 'latin1');
  await writeZip(path, [{ name: 'archive/data.pkl', data: pickle }]);
  await expect(loadWeights(path)).rejects.toThrow(/os\.system.*nothing was run/);
});

test('a stack of a hundred thousand lists is read without recursion', () => {
  const deep = Buffer.concat([
    Buffer.from([0x80, 2]),
    Buffer.alloc(100_000, 0x5d),
    Buffer.alloc(99_999, 0x61),
    Buffer.from('.'),
  ]);
  expect(Array.isArray(unpickle(deep, { globals: {} }).value)).toBe(true);
});

test('names that leave the archive are refused', async () => {
  const path = join(folder, 'slip.zip');
  await writeZip(path, [{ name: '../x', data: new Uint8Array(1) }]);
  await expect(openZip(path)).rejects.toThrow(/leads out of the archive/);
});

test('what was written to an archive is read back, within the limit that is given', async () => {
  const path = join(folder, 'plain.zip');
  await writeZip(path, [
    { name: 'a', data: Uint8Array.of(1, 2, 3) },
    { name: 'b/c', data: new Uint8Array(0) },
  ]);
  const zip = await openZip(path);
  const entry = zip.entries.get('a');
  expect([...zip.entries.keys()]).toEqual(['a', 'b/c']);
  expect(entry && [...(await zip.read(entry, 3))]).toEqual([1, 2, 3]);
  await expect(entry && zip.read(entry, 2)).rejects.toThrow(/at most 2/);
  await zip.close();
});
