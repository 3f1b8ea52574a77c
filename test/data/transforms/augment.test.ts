import { describe, expect, test } from '@jest/globals';
import { Random } from '../../../src/core/random.js';
import { type PreparedField, prepareField } from '../../../src/data/prepared.js';
import type { Sample } from '../../../src/data/sample.js';
import { augmentOptions, changeValues, GEOMETRIES, PIXELS } from '../../../src/data/transforms/augment.js';
import { gaussian } from '../../../src/data/transforms/blur.js';
import { randomView, type View, type ViewOptions } from '../../../src/data/transforms/view.js';
import { boxesOf } from '../../../src/image/labels.js';
import { normalise } from '../../../src/image/normalise.js';

/** Bright rectangles 1..n on black, 60 x 40; two channels on demand. Object i has the value i / 10. */
function field(channels = 1, boxesToo = false): PreparedField {
  const [width, height] = [60, 40];
  const data = new Uint32Array(width * height);
  const rectangles = [[4, 4, 14, 12], [30, 6, 40, 20], [8, 22, 20, 36], [44, 26, 58, 38]] as const; // biome-ignore format: one row
  for (const [i, [x0, y0, x1, y1]] of rectangles.entries())
    for (let y = y0; y < y1; y++) data.fill(i + 1, y * width + x0, y * width + x1);
  const values = new Float32Array(data.length * channels);
  for (let i = 0; i < values.length; i++)
    values[i] = (data[Math.floor(i / channels)] as number) / 10 / (1 + (i % channels));
  const labels = { height, width, data, count: 4 };
  const boxes = boxesOf(labels);
  const whole = {
    id: 'f',
    contentHash: 'f',
    height,
    width,
    channels,
    values,
    labels,
    boxes,
    objectSide: 12,
    wasInverted: false,
  };
  return boxesToo
    ? { ...whole, boxesOnly: boxes, labels: { ...labels, data: data.map(() => 0), count: 0 } }
    : whole;
}

const OFF = {
  flip: { chance: 0 },
  rightAngles: { chance: 0 },
  intensity: { gamma: 0, gain: [1, 1], hazeChance: 0 },
  noise: { chance: 0 },
};
const optionsWith = (augment: object, more: object = {}): ViewOptions => ({
  side: 64,
  scale: [1, 1],
  fit: 'crop',
  augment: augmentOptions.parse({ ...OFF, ...augment }),
  ...more,
});
const view = (augment: object, seed = 1, more: object = {}, of = field()): View =>
  randomView(of, 'mosaic' in augment ? [of, of, of] : [], optionsWith(augment, more), new Random(seed));

/** Median value and label at every object must still belong together, and nothing else be bright. */
function expectAligned({ labels, values }: View): void {
  const seen = new Map<number, number[]>();
  for (const [i, id] of labels.data.entries())
    if (id > 0) seen.set(id, [...(seen.get(id) ?? []), Math.round(10 * (values[i] as number))]);
  const kinds = [...seen.values()].map((all) => all.sort((a, b) => a - b)[all.length >> 1]);
  expect([...new Set(kinds)].every((kind) => kind !== undefined && kind >= 1 && kind <= 4)).toBe(true);
  let strays = 0;
  for (const [i, id] of labels.data.entries()) if (id === 0 && (values[i] as number) > 0.25) strays++;
  expect(strays).toBeLessThan(0.03 * labels.data.length);
}

describe('augmentations', () => {
  test('have a file and a key each', () => {
    const tables = { ...GEOMETRIES, ...PIXELS };
    for (const [key, { name }] of Object.entries(tables)) expect(name).toBe(key);
    expect(Object.keys(augmentOptions.shape)).toEqual(expect.arrayContaining(Object.keys(tables)));
  });

  test('switched off leave pixels and labels as they are, at the top left', () => {
    const { values, labels, size } = view({});
    expect(size).toEqual([40, 60]);
    const { values: before, labels: was } = field();
    for (let y = 0; y < 40; y++) {
      expect(values.subarray(y * 64, y * 64 + 60)).toEqual(before.subarray(y * 60, y * 60 + 60));
      expect(labels.data.subarray(y * 64, y * 64 + 60)).toEqual(was.data.subarray(y * 60, y * 60 + 60));
    }
  });

  test.each([
    ['flip', { flip: { chance: 1 } }],
    ['right angles', { rightAngles: { chance: 1 } }],
  ])('%s: every pixel keeps its exact value and label', (_, augment) => {
    for (let seed = 0; seed < 4; seed++) {
      const { values, labels } = view(augment, seed);
      expect([...values].sort()).toEqual([...values].map(Math.fround).sort());
      for (const [i, id] of labels.data.entries()) expect((values[i] as number) > 0).toBe(id > 0);
      expect(labels.count).toBe(4);
    }
  });

  test.each([
    ['rotation', { rotate: { chance: 1 } }, {}],
    ['scale', {}, { scale: [0.6, 1.6] }],
    ['mosaic', { mosaic: { chance: 1 } }, { side: 48 }],
    ['whole fields', {}, { fit: 'whole', side: 96 }],
  ])('%s: masks move with their pixels', (_, augment, more) => {
    for (let seed = 0; seed < 5; seed++) expectAligned(view(augment, seed, more));
  });

  test('rotation keeps areas, scale multiplies them', () => {
    const area = (v: View) => v.labels.data.filter((id) => id > 0).length;
    const before = field().labels.data.filter((id) => id > 0).length;
    expect(area(view({ rotate: { chance: 1 } }, 3, { side: 96 })) / before).toBeCloseTo(1, 1);
    expect(area(view({}, 3, { side: 128, scale: [2, 2] })) / before).toBeCloseTo(4, 1);
  });

  test('boxes without masks move as the boxes of masks do', () => {
    for (let seed = 0; seed < 6; seed++) {
      const augment = { flip: { chance: 0.5 }, rightAngles: { chance: 1 } };
      const byMasks = boxesOf(view(augment, seed, { side: 64 }).labels);
      const byBoxes = view(augment, seed, { side: 64 }, field(1, true)).boxesOnly;
      const rows = (xyxy: Float32Array = new Float32Array()) =>
        Array.from({ length: xyxy.length / 4 }, (_, i) => xyxy.slice(4 * i, 4 * i + 4).join()).sort();
      expect(rows(byBoxes?.xyxy)).toEqual(rows(byMasks.xyxy));
    }
  });

  test('of many windows the one that cuts the smallest share of its objects is taken', () => {
    const shareWhole = ({ labels }: View) => {
      const isWhole = (i: number) =>
        boxesOf(labels)
          .xyxy.subarray(4 * i, 4 * i + 4)
          .every((edge) => edge > 0 && edge < 26);
      const whole = Array.from({ length: labels.count }, (_, i) => isWhole(i));
      return whole.filter(Boolean).length / Math.max(1, whole.length);
    };
    const mean = (tries: number) =>
      Array.from({ length: 40 }, (_, seed) =>
        shareWhole(view({ crop: { tries } }, seed, { side: 26 })),
      ).reduce((a, b) => a + b) / 40;
    expect(mean(8)).toBeGreaterThan(mean(1) + 0.15);
  });
});

describe('changes of values', () => {
  const change = (augment: object, channels = 1, seed = 2) =>
    changeValues(field(channels), augmentOptions.parse({ ...OFF, ...augment }), new Random(seed)).values;

  test('brightness is a factor, gamma an exponent, haze lifts black', () => {
    const before = field().values;
    const doubled = change({ intensity: { gamma: 0, gain: [0.5, 0.5], hazeChance: 0 } });
    for (const [i, v] of before.entries()) expect(doubled[i]).toBeCloseTo(v / 2, 6);
    const power = change({ intensity: { gamma: 0.5, gain: [1, 1], hazeChance: 0 } });
    const exponent = Math.log(power[4 * 60 + 4] as number) / Math.log(0.1);
    expect(Math.abs(Math.log(exponent))).toBeLessThan(0.5);
    const at3 = 22 * 60 + 8;
    expect(power[at3]).toBeCloseTo((before[at3] as number) ** exponent, 3);
    expect(change({ intensity: { hazeChance: 1 } })[0]).toBeGreaterThan(0);
  });

  test('contrast keeps the mean', () => {
    const mean = (values: Float32Array) => values.reduce((a, b) => a + b, 0) / values.length;
    const values = field().values.map((v) => 0.4 + v / 10);
    const patch = { ...field(), values };
    const options = augmentOptions.parse({ ...OFF, intensity: { ...OFF.intensity, contrast: 0.5 } });
    const after = changeValues(patch, options, new Random(1)).values;
    expect(mean(after)).toBeCloseTo(mean(values), 5);
    expect(Math.max(...after)).not.toBeCloseTo(Math.max(...values), 2);
  });

  test('noise has the deviation that was asked for at most, and no mean', () => {
    const grey = { ...field(), values: new Float32Array(2400).fill(0.5) };
    const options = augmentOptions.parse({ ...OFF, noise: { chance: 1, camera: 0.1 } });
    const all = Array.from({ length: 20 }, (_, seed) =>
      changeValues(grey, options, new Random(seed)).values.map((v) => v - 0.5),
    );
    const deviations = all.map((d) => Math.sqrt(d.reduce((sum, v) => sum + v * v, 0) / d.length));
    expect(Math.max(...deviations)).toBeLessThan(0.105);
    expect(Math.max(...deviations)).toBeGreaterThan(0.06);
    const total = all.reduce((sum, d) => sum + d.reduce((a, b) => a + b, 0), 0);
    expect(Math.abs(total / 48_000)).toBeLessThan(0.002);
  });

  test('a blurred point is the Gaussian; totals stay', () => {
    const point = new Float32Array(2400);
    point[20 * 60 + 30] = 1;
    const options = augmentOptions.parse({ ...OFF, blur: { chance: 1, sigma: [1, 1] } });
    const { values } = changeValues({ ...field(), values: point }, options, new Random(1));
    const kernel = gaussian(1);
    expect(values[20 * 60 + 30]).toBeCloseTo((kernel[0] as number) ** 2, 6);
    expect(values[22 * 60 + 31]).toBeCloseTo((kernel[2] as number) * (kernel[1] as number), 6);
    expect(values.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
  });

  test('of two channels one is emptied, or both are exchanged', () => {
    const before = field(2).values;
    const channel = (values: Float32Array, c: number) => values.filter((_, i) => i % 2 === c);
    const dropped = change({ channelDrop: { chance: 1 } }, 2);
    const isEmpty = [0, 1].map((c) => channel(dropped, c).every((v) => v === 0));
    expect(isEmpty.filter(Boolean)).toHaveLength(1);
    const swapped = change({ channelSwap: { chance: 1 } }, 2);
    expect(channel(swapped, 0)).toEqual(channel(before, 1));
    expect(channel(swapped, 1)).toEqual(channel(before, 0));
    expect(change({ channelDrop: { chance: 1 }, channelSwap: { chance: 1 } }, 1)).toEqual(field().values);
  });
});

test("CellSAM's preprocessing gives its three channels, the empty ones left away", () => {
  const data = Float32Array.from({ length: 30 * 40 * 2 }, (_, i) => (i * 7919) % 251);
  const sample: Sample = {
    id: 's',
    image: { height: 30, width: 40, channels: ['nuclear', 'whole-cell'], data, range: [0, 255] },
    instances: { kind: 'labels', labels: { height: 30, width: 40, data: new Uint32Array(1200), count: 0 } },
    objectCount: 0,
    warnings: [],
    source: { dataset: 't', files: [], contentHash: '' },
  };
  const prepared = prepareField(sample, 'cellsam');
  const full = normalise(data, [30, 40, 2]).data;
  expect(prepared?.channels).toBe(2);
  expect(prepared?.values).toEqual(Float32Array.from(full.filter((_, i) => i % 3 > 0)));
});
