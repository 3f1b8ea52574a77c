import { expect, test } from '@jest/globals';
import { enhanceLowContrast } from '../../src/image/lowContrast.js';
import {
  clipPooled,
  detectorInput,
  fillEmpty,
  maskInput,
  samStandardise,
  samStandardiseBytes,
  toBytes,
  unitChannels,
} from '../../src/image/networkInput.js';
import { clipBrightSpots, equalise, minMax, normalise, toThreeChannels } from '../../src/image/normalise.js';
import { resize } from '../../src/image/resize.js';
import { readGolden } from '../support/safetensors.js';
import { describeWithShared } from '../support/shared.js';

/** Largest difference, as a share of the largest expected magnitude. */
function worst(found: ArrayLike<number>, expected: readonly number[]): number {
  expect(found.length).toBe(expected.length);
  const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-30);
  return expected.reduce((a, b, i) => Math.max(a, Math.abs((found[i] as number) - b)), 0) / largest;
}

/** `[3, S, S]` to `[S, S, 3]`. */
function interleaved(values: readonly number[]): number[] {
  const pixels = values.length / 3;
  return values.map((_, i) => values[(i % 3) * pixels + Math.floor(i / 3)] as number);
}

const CASES = [
  'gray_u8',
  'two_channel_u16',
  'rgb_f32',
  'constant_u8',
  'zeros_u8',
  'outliers_f32',
  'channels_first_u8',
  'tiles_u16',
  'blank_and_negative_f32',
  'sparse_u8',
];
const FORMATTED = ['gray_u8', 'two_channel_u16', 'zeros_u8', 'channels_first_u8', 'blank_and_negative_f32'];
const MIN_MAX = ['two_channel_u16', 'rgb_f32', 'constant_u8', 'blank_and_negative_f32'];

describeWithShared('the golden preprocessing', 'golden/preprocess.safetensors', (path) => {
  const golden = path === '' ? () => ({ shape: [], data: [] as number[] }) : readGolden(path);
  const three = (name: string) => {
    const { data, shape } = golden(`pre.${name}.input`);
    return toThreeChannels(data, shape);
  };

  test.each(CASES)('%s: bright spots and CLAHE within 1e-5', (name) => {
    const clipped = clipBrightSpots(three(name));
    expect(worst(clipped.data, golden(`pre.${name}.percentile`).data)).toBeLessThan(1e-5);
    expect(worst(equalise(clipped).data, golden(`pre.${name}.normalized`).data)).toBeLessThan(1e-5);
  });

  test.each(FORMATTED)('%s: channels stand where CellSAM puts them', (name) => {
    expect(worst(three(name).data, golden(`pre.${name}.formatted`).data)).toBeLessThan(1e-7);
  });

  test.each(MIN_MAX)('%s: stretched per channel', (name) => {
    expect(worst(minMax(three(name)).data, golden(`pre.${name}.minmax`).data)).toBeLessThan(1e-5);
  });

  test.each(['plain', 'low', 'low_narrow'])('contrast %s: decision, threshold and image', (name) => {
    const { data, shape } = golden(`pre.contrast.${name}.input`);
    const found = enhanceLowContrast(toThreeChannels(data, shape));
    const value = (key: string) => golden(`pre.contrast.${name}.${key}`).data[0];
    expect(Number(found.isLow)).toBe(value('is_low'));
    expect(found.boxThreshold).toBe(value('bbox_threshold'));
    expect(worst([found.median, found.std], [value('median') ?? 0, value('std') ?? 0])).toBeLessThan(1e-5);
    expect(worst(found.enhanced.data, golden(`pre.contrast.${name}.enhanced`).data)).toBeLessThan(1e-5);
  });

  test.each(['two_channel_u16', 'rgb_f32', 'tiles_u16'])('%s: both network inputs, row by row', (name) => {
    const row = (key: string) => interleaved(golden(`pre.net.${name}.${key}`).data);
    const { data, shape } = golden(`pre.${name}.input`);
    const image = normalise(data, shape);
    expect(worst(resize({ ...image, channels: 3 }, 48, 48), row('resized'))).toBeLessThan(1e-5);
    const resized = Float32Array.from(row('resized'));
    expect([...toBytes(resized)]).toEqual(golden(`pre.net.${name}.detector.bytes`).data);
    const standardised = samStandardiseBytes(toBytes(resized));
    expect(worst(standardised, row('detector.standardised'))).toBeLessThan(1e-5);
    const unit = unitChannels(standardised);
    expect(worst(unit, row('detector.unit'))).toBeLessThan(1e-5);
    expect(worst(fillEmpty(unit), row('detector.input'))).toBeLessThan(1e-5);
    expect(detectorInput(resized)).toEqual(fillEmpty(unit));
    const clipped = clipPooled(resized);
    expect(worst(clipped, row('masks.percentile'))).toBeLessThan(1e-5);
    expect(worst(unitChannels(clipped), row('masks.unit'))).toBeLessThan(1e-5);
    expect(worst(samStandardise(unitChannels(clipped)), row('masks.input'))).toBeLessThan(1e-5);
    expect(worst(maskInput(resized), row('masks.input'))).toBeLessThan(1e-5);
  });
});

test('more than three channels are refused with the repair', () => {
  expect(() => toThreeChannels(new Float32Array(5 * 6 * 7), [5, 6, 7])).toThrow('at most 3 channels');
});

test('an image of zeros gives finite inputs for both branches', () => {
  const zeros = new Float32Array(8 * 8 * 3);
  for (const values of [detectorInput(zeros), maskInput(zeros)])
    expect(values.every(Number.isFinite)).toBe(true);
});

test('resizing to the same size changes nothing, and shrinking keeps the mean', () => {
  const data = Float32Array.from({ length: 36 }, (_, i) => i);
  expect(resize({ height: 6, width: 6, channels: 1, data }, 6, 6)).toEqual(data);
  const [mean] = resize({ height: 6, width: 6, channels: 1, data }, 1, 1);
  expect(mean).toBeCloseTo(17.5, 5);
});
