import { describe, expect, test } from '@jest/globals';
import { MODALITIES } from '../../src/data/simulate/modalities.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import { countsAtHalf, f1 } from '../../src/evaluate/f1.js';
import { components } from '../../src/image/labels.js';

/** Otsu's threshold of values 0..255. */
function otsu(values: Float32Array): number {
  const histogram = new Float64Array(256);
  for (const v of values) histogram[Math.round(v)] = (histogram[Math.round(v)] ?? 0) + 1;
  const total = values.length;
  const sum = histogram.reduce((a, n, v) => a + n * v, 0);
  let best = { at: 0, between: -1 };
  let count = 0;
  let below = 0;
  for (let v = 0; v < 255; v++) {
    count += histogram[v] ?? 0;
    below += v * (histogram[v] ?? 0);
    if (count === 0 || count === total) continue;
    const between = count * (total - count) * (below / count - (sum - below) / (total - count)) ** 2;
    if (between > best.between) best = { at: v, between };
  }
  return best.at;
}

describe('synthetic microscopy', () => {
  test.each(Object.keys(MODALITIES))('%s: equal seeds give equal pixels, other seeds others', (modality) => {
    const draw = (seed: number) => simulate({ modality, side: 96, seed }).source.contentHash;
    expect(draw(1)).toBe(draw(1));
    expect(draw(1)).not.toBe(draw(2));
  });

  test.each(Object.keys(MODALITIES))('%s: every object is in the label image and cells touch', (modality) => {
    const { instances, objectCount } = simulate({ modality, side: 96, seed: 3 });
    if (instances.kind !== 'labels') throw new Error('no labels');
    const { labels } = instances;
    expect(new Set(labels.data).size - 1).toBe(objectCount);
    const merged = components(
      labels.data.map((id) => Math.min(1, id)),
      96,
      96,
      8,
    );
    expect(merged.count).toBeLessThan(objectCount);
  });

  test('a threshold does not solve it: Otsu with connected components stays below 0.75 on fluorescence', () => {
    const scores = [1, 2].map((seed) => {
      const { image, instances } = simulate({ modality: 'fluorescence', side: 192, seed });
      if (instances.kind !== 'labels') throw new Error('no labels');
      const limit = otsu(image.data);
      const found = components(
        Uint8Array.from(image.data, (v) => (v > limit ? 1 : 0)),
        192,
        192,
        8,
      );
      return f1(countsAtHalf(instances.labels, found));
    });
    expect(scores.reduce((a, b) => a + b, 0) / 2).toBeLessThan(0.75);
  });

  test('an unknown modality names the nearest one', () => {
    expect(() => simulate({ modality: 'fluoresence', side: 64, seed: 0 })).toThrow(
      /did you mean `fluorescence`/,
    );
  });
});
