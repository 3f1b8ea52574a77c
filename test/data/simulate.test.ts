import { describe, expect, test } from '@jest/globals';
import { MODALITIES } from '../../src/data/simulate/modalities.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import { f1AtHalf } from '../../src/evaluate/metrics/metrics.js';
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

const firstChannel = (data: Float32Array, channels: number): Float32Array =>
  data.filter((_, i) => i % channels === 0);

/** The mean of 3 x 3 pixels. */
function smooth(values: Float32Array, side: number): Float32Array {
  return values.map((_, i) => {
    const [x, y] = [i % side, Math.floor(i / side)];
    let [sum, count] = [0, 0];
    for (let yy = Math.max(0, y - 1); yy <= Math.min(side - 1, y + 1); yy++)
      for (let xx = Math.max(0, x - 1); xx <= Math.min(side - 1, x + 1); xx++, count++)
        sum += values[yy * side + xx] as number;
    return sum / count;
  });
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

  test.each(Object.keys(MODALITIES))(
    '%s: no threshold solves it; the better side of Otsu, smoothed, stays below 0.75',
    (modality) => {
      const scores = [1, 2].map((seed) => {
        const { image, instances } = simulate({ modality, side: 160, seed });
        if (instances.kind !== 'labels') throw new Error('no labels');
        const { labels } = instances;
        const grey = smooth(firstChannel(image.data, image.channels.length), 160);
        const limit = otsu(grey);
        const sides = [(v: number) => v > limit, (v: number) => v <= limit].map((isCell) => {
          const mask = Uint8Array.from(grey, (v) => (isCell(v) ? 1 : 0));
          return f1AtHalf(labels, components(mask, 160, 160, 8));
        });
        return Math.max(...sides);
      });
      expect(scores.reduce((a, b) => a + b, 0) / 2).toBeLessThan(0.75);
    },
  );

  test('an unknown modality names the nearest one', () => {
    expect(() => simulate({ modality: 'fluoresence', side: 64, seed: 0 })).toThrow(
      /did you mean `fluorescence`/,
    );
  });
});
