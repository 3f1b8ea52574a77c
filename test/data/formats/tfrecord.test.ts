import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { formatNamed } from '../../../src/data/formats/formats.js';
import type { Sample } from '../../../src/data/sample.js';
import { decodeSample, encodeSample } from '../../../src/data/sampleRecord.js';
import { crc32c } from '../../../src/io/crc32c.js';
import { RecordFile, RecordWriter } from '../../../src/io/tfrecord.js';
import { temporaryFolder } from '../../support/temporary.js';

const PYTHON = 'test/fixtures/formats/tfrecord';

function sample(instances: Sample['instances'], values: readonly number[]): Sample {
  return {
    id: 'set/a.tif#3',
    image: {
      height: 2,
      width: 2,
      channels: ['nuclear', 'whole-cell'],
      data: Float32Array.from(values),
      range: [-1, 4_294_967_295],
      pixelSizeUm: [0.65, 0.325],
    },
    instances,
    objectCount: 7,
    warnings: ['two pixels belong to two objects'],
    volume: { file: 'a.tif', plane: 3, ids: Uint32Array.of(4, 70_000) },
    source: { dataset: 'x', files: ['a.tif'], licence: 'CC0-1.0', contentHash: 'abc' },
  };
}

describe('records of samples', () => {
  const labels = { height: 2, width: 2, data: Uint32Array.of(0, 1, 2, 2), count: 2 };
  test.each<readonly [title: string, Sample['instances'], values: number[]]>([
    ['8-bit values with masks', { kind: 'labels', labels }, [0, 1, 2, 255, 4, 5, 6, 7]],
    ['16-bit values, unlabelled', { kind: 'none' }, [0, 1, 2, 256, 65_535, 5, 6, 7]],
    [
      'any float with points',
      { kind: 'points', xy: Float32Array.of(0.5, 1), classes: ['a'] },
      [-1, 0.1, 1e30, 0, 1, 2, 3, 65_536],
    ],
    [
      'boxes',
      { kind: 'boxes', boxes: { count: 1, xyxy: Float32Array.of(0, 0.25, 1, 2) } },
      [1, 1, 1, 1, 1, 1, 1, 0.5],
    ],
  ])('%s come back equal', async (_, instances, values) => {
    const before = sample(instances, values);
    expect(await decodeSample(await encodeSample(before), 'record')).toEqual(before);
  });

  test('shards written by TensorFlow are read', async () => {
    const format = await formatNamed('tfrecord');
    const refs = await format.list(PYTHON);
    expect(refs.map(({ id }) => id)).toEqual(['part-0.tfrecord#000000', 'part-0.tfrecord#000001']);
    const [first, second] = await Promise.all(refs.map((ref) => format.read(PYTHON, ref)));
    expect([...(first?.image.data ?? [])]).toEqual([0, 1000, 2000, 3000, 4000, 5000]);
    expect(first?.instances).toMatchObject({ labels: { data: Uint32Array.of(0, 1, 1, 2, 2, 0), count: 2 } });
    expect(second?.image.data).toEqual(Float32Array.from({ length: 8 }, (_, i) => i / 7));
    expect(second?.instances).toMatchObject({ boxes: { count: 2 }, classes: ['a', 'b'] });
  });
});

describe('shards', () => {
  test('the package `tfrecord` reads what is written here', async () => {
    const path = join(temporaryFolder(), 'own.tfrecord');
    const writer = await RecordWriter.create(path);
    await writer.write(await encodeSample(sample({ kind: 'none' }, [1, 2, 3, 4, 5, 6, 7, 8])));
    await writer.close();
    const { createReader } = await import('tfrecord');
    const reader = await createReader(path);
    const example = await reader.readExample();
    expect(Object.keys(example?.features?.feature ?? {})).toContain('image/raw');
    await reader.close();
  });

  test('the checksum is the published one', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa); // RFC 3720, B.4
  });

  test('every flipped byte and every cut is noticed, and nothing is allocated for a false length', async () => {
    const folder = temporaryFolder();
    const sound = readFileSync(join(PYTHON, 'part-0.tfrecord'));
    const path = join(folder, 'x.tfrecord');
    const readAll = async (bytes: Uint8Array) => {
      writeFileSync(path, bytes);
      const file = await RecordFile.open(path);
      try {
        for (const place of await file.places()) await file.read(place);
      } finally {
        await file.close();
      }
    };
    await readAll(sound);
    for (let at = 0; at < sound.length; at += 37) {
      const bent = Buffer.from(sound);
      bent[at] = (bent[at] ?? 0) ^ 0x40;
      await expect(readAll(bent)).rejects.toThrow(/x\.tfrecord .*(checksum|damaged|claims|cut)/);
    }
    await expect(readAll(sound.subarray(0, sound.length - 3))).rejects.toThrow(/claims a record|cut short/);
  });

  test('an index beside the shard gives the names; one that lies is noticed', async () => {
    const root = join(temporaryFolder(), 'set');
    mkdirSync(root);
    copyFileSync(join(PYTHON, 'part-0.tfrecord'), join(root, 'p.tfrecord'));
    const format = await formatNamed('tfrecord');
    const [first] = await format.list(root);
    const [offset = 0, length = 0] = (first?.files[1] ?? '').split('+').map(Number);
    const index = (shift: number) => ({
      version: 1,
      records: [{ id: 'named', offset: offset + shift, length }],
    });
    writeFileSync(join(root, 'p.tfrecord.index.json'), JSON.stringify(index(0)));
    const [named] = await format.list(root);
    expect(named?.id).toBe('named');
    expect((await format.read(root, named as NonNullable<typeof named>)).objectCount).toBe(2);
    writeFileSync(join(root, 'p.tfrecord.index.json'), JSON.stringify(index(5)));
    const [lying] = await format.list(root);
    await expect(format.read(root, lying as NonNullable<typeof lying>)).rejects.toThrow(/damaged/);
  });
});
