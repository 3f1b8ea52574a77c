import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { zipSync } from 'fflate';
import { WeightsError } from '../../src/core/errors.js';
import { type Picklable, pickle } from '../../src/io/pickleWrite.js';
import { loadWeights } from '../../src/weights/load.js';

const folder = mkdtempSync(join(tmpdir(), 'hostile-'));
afterAll(() => rmSync(folder, { recursive: true }));

const global = (module: string, name: string): Picklable => ({ kind: 'global', module, name });
const REBUILD = global('torch._utils', '_rebuild_tensor_v2');

/** A `.safetensors` file with this header and so many bytes of data. */
function safetensors(header: unknown, dataBytes: number, claimed?: bigint): Uint8Array {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claimed ?? BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes)]);
}

const entry = (shape: number[], from: number, to: number, dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [from, to],
});

/** A `.pt` file with one tensor described thus, over a storage of 16 bytes. */
function torch(
  {
    elements = 4,
    offset = 0,
    shape = [4],
    stride = [1],
  }: Partial<Record<'elements' | 'offset', number>> & { shape?: number[]; stride?: number[] },
  level: 0 | 9 = 0,
  storageBytes = 16,
): Uint8Array {
  const id: Picklable = ['storage', global('torch', 'FloatStorage'), '0', 'cpu', elements];
  const args: Picklable[] = [{ kind: 'persistent', id }, offset, shape, stride, false, null];
  const made: Picklable = { kind: 'call', callee: global('collections', 'OrderedDict'), args: [] };
  const items: [string, Picklable][] = [['w', { kind: 'call', callee: REBUILD, args }]];
  return zipSync(
    { 'x/data.pkl': pickle({ kind: 'items', made, items }), 'x/data/0': new Uint8Array(storageBytes) },
    { level },
  );
}

function zipped(index: Uint8Array, level: 0 | 9 = 0): Uint8Array {
  return zipSync({ 'x/data.pkl': index }, { level });
}

/** Lists in lists, each holding the one before twice: 2^40 items when written out as text. */
const laughter = Buffer.concat([
  Buffer.from([0x80, 2, 0x5d, 0x71, 0]), // an empty list, remembered as 0
  ...Array.from({ length: 40 }, (_, i) => Buffer.from([0x5d, 0x28, 0x68, i, 0x68, i, 0x65, 0x71, i + 1])),
]);

const whole = torch({});
const HUGE = 2 ** 50;
const CASES: Readonly<Record<string, readonly [bytes: Uint8Array, message: RegExp]>> = {
  'an empty file': [new Uint8Array(0), /it has 0 bytes/],
  'a header that is cut off': [
    safetensors({ a: entry([4], 0, 16) }, 16).subarray(0, 20),
    /cut short.*header claims/,
  ],
  'a header of 2^63 bytes': [safetensors('{}', 8, 2n ** 63n), /header claims/],
  'a header that is no table': [safetensors('[1]', 0), /not a table/],
  'a header that is no JSON': [safetensors('{"a":', 0), /not JSON/],
  'data that are cut off': [
    safetensors({ a: entry([4], 0, 16) }, 8),
    /cut short: its header lists 16 bytes of data, and 8 are there/,
  ],
  'offsets beyond the file': [safetensors({ a: entry([4], HUGE, HUGE + 16) }, 16), /outside the file/],
  'offsets that fall': [safetensors({ a: entry([4], 16, 0) }, 16), /lie at 16 \.\. 0/],
  'offsets that are no counts': [safetensors({ a: entry([4], -16, 0) }, 16), /no proper data offsets/],
  'overlapping ranges': [
    safetensors({ a: entry([4], 0, 16), b: entry([4], 8, 24) }, 24),
    /`a` and `b` overlap/,
  ],
  'a shape of 2^60 numbers': [safetensors({ a: entry([2 ** 30, 2 ** 30], 0, 16) }, 16), /needs .* has 16/],
  'a shape below zero': [safetensors({ a: entry([-4], 0, 16) }, 16), /no proper shape/],
  'an element type of its own': [
    safetensors({ a: entry([4], 0, 16, 'constructor') }, 16),
    /element type constructor/,
  ],
  'an element type that is a list': [
    safetensors({ a: { ...entry([4], 0, 16), dtype: [['F32']] } }, 16),
    /unknown element type/,
  ],
  'an archive that is cut off': [whole.subarray(0, whole.length - 30), /its end is missing/],
  'a storage larger than its entry': [
    torch({ elements: 2 ** 40, shape: [2 ** 40] }),
    /reaches|add up|claims/,
  ],
  'a storage that claims more than it has': [torch({ elements: 8 }), /claims 32 bytes and has 16/],
  'a view past its storage': [torch({ offset: 1 }), /reaches past its storage of 4/],
  'a view that repeats one number 2^40 times': [torch({ shape: [2 ** 40], stride: [0] }), /reaches past/],
  'a shape whose product is no number': [
    torch({ shape: [2 ** 52, 2 ** 52, 2 ** 52], stride: [0, 0, 0] }),
    /reaches past/,
  ],
  'a compressed storage': [torch({ elements: 2 ** 24, shape: [4] }, 9, 2 ** 26), /compressed/],
  'an index that unpacks to 64 MB': [zipped(new Uint8Array(2 ** 26), 9), /unpacks to 67108864 bytes/],
  'a pickle that calls os.system': [
    zipped(pickle({ kind: 'call', callee: global('os', 'system'), args: ['touch /tmp/owned'] })),
    /os\.system.*nothing was run/,
  ],
  'a pickle that calls eval': [
    zipped(pickle({ kind: 'call', callee: global('builtins', 'eval'), args: ['1'] })),
    /builtins\.eval.*nothing was run/,
  ],
  'a pickle that names a prototype': [zipped(pickle(global('constructor', 'prototype'))), /nothing was run/],
  'a storage named by nested lists': [zipped(Buffer.concat([laughter, Buffer.from('Q.')])), /no storage/],
  'a key of nested lists': [
    // the lists are left in the memo only; then a dictionary with the last of them as key
    zipped(
      Buffer.concat([
        laughter,
        Buffer.from('0'.repeat(41)),
        Buffer.from([0x7d, 0x68, 40]),
        Buffer.from('Ns.'),
      ]),
    ),
    /holds no tensors/,
  ],
  'a text of 4 GB in a pickle': [zipped(Buffer.from([0x80, 2, 0x58, 255, 255, 255, 255])), /ends too early/],
};

describe('hostile weight files', () => {
  test.each(Object.keys(CASES))('%s: a clear error, at once, without large allocations', async (name) => {
    const [bytes, message] = CASES[name] as (typeof CASES)[string];
    const path = join(folder, `${name.replaceAll(/\W/g, '-')}.bin`);
    writeFileSync(path, bytes);
    const peak = process.resourceUsage().maxRSS;
    const started = performance.now();
    const thrown = await loadWeights(path).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(thrown).toBeInstanceOf(WeightsError);
    expect(String(thrown)).toMatch(message);
    expect((thrown as WeightsError).fix).toBeDefined();
    expect(performance.now() - started).toBeLessThan(3000); // a second on a quiet machine, and tests run beside each other
    expect(process.resourceUsage().maxRSS - peak).toBeLessThan(64 * 1024); // kB
  });
});
