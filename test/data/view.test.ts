import { describe, expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { batchAt } from '../../src/data/batches.js';
import { prepareFields } from '../../src/data/prepared.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import { zoomFor } from '../../src/data/transforms/scale.js';

const options = {
  side: 64,
  scale: [1, 1] as const,
  pixelMean: [0, 0, 0] as const,
  pixelStd: [1, 1, 1] as const,
};

describe('training views', () => {
  test('objects are magnified or reduced to the wanted size, at most three times', () => {
    expect(zoomFor(12, 24)).toBe(2);
    expect(zoomFor(4, 24)).toBe(3);
    expect(zoomFor(48, 24)).toBe(0.5);
    expect(zoomFor(200, 24)).toBeCloseTo(1 / 3);
    expect(zoomFor(12, undefined)).toBe(1);
    expect(zoomFor(0, 24)).toBe(1);
  });

  test('objects of magnified views are larger', () => {
    const fields = prepareFields([simulate({ modality: 'fluorescence', side: 96, seed: 'v' })]);
    const side = fields[0]?.objectSide ?? 0;
    expect(side).toBeGreaterThan(5);
    const areaOf = (objectSide: number | undefined) => {
      const random = new Random(1);
      let [area, count] = [0, 0];
      for (let k = 0; k < 8; k++) {
        const cursor = { epoch: k, position: 0, random: [] };
        const batch = batchAt(fields, cursor, 1, { ...options, objectSide }, random);
        for (const id of batch.masks?.[0]?.data ?? []) if (id > 0) area += 1;
        count += batch.masks?.[0]?.count ?? 0;
      }
      return area / count;
    };
    expect(areaOf(2 * side) / areaOf(undefined)).toBeGreaterThan(1.5);
  });

  test('fields with a bright background come as often as asked', () => {
    const fields = prepareFields(
      ['fluorescence', 'stained'].map((modality) => simulate({ modality, side: 64, seed: 'w' })),
    );
    expect(fields.map((field) => field.wasInverted)).toEqual([false, true]);
    const seen: string[] = [];
    const cursor = { epoch: 0, position: 0, random: [] };
    const batch = batchAt(fields, cursor, 4, { ...options, repeatInverted: 3 }, new Random(2));
    seen.push(...batch.ids);
    expect(seen.filter((id) => id.startsWith('stained')).length).toBe(3);
    expect(batch.cursor.epoch).toBe(1);
  });
});
