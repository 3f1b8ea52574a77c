import { describe, expect, test } from '@jest/globals';
import { closeMask, dilate, erode, type Mask, openMask } from '../../src/image/morphology.js';
import type { LabelImage } from '../../src/image/types.js';
import { smoothCells } from '../../src/segment/smooth.js';

function disks(
  height: number,
  width: number,
  ...all: (readonly [y: number, x: number, radius: number])[]
): LabelImage {
  const data = new Uint32Array(height * width);
  for (const [label, [cy, cx, radius]] of all.entries())
    for (let i = 0; i < data.length; i++)
      if (Math.hypot(Math.floor(i / width) - cy, (i % width) - cx) <= radius) data[i] = label + 1;
  return { height, width, data, count: all.length };
}

const areas = ({ data, count }: LabelImage) =>
  Array.from({ length: count }, (_, i) => data.filter((v) => v === i + 1).length);

describe('smoothing outlines', () => {
  test('equal cells stay equal, whatever their order', () => {
    const [first = 0, second] = areas(smoothCells(disks(40, 80, [20, 20, 9], [20, 60, 9])));
    expect(second).toBe(first);
    expect(first).toBe(221); // of 253; so do SciPy and scikit-image
  });

  test('specks outside go, holes close, and a notch is bridged', () => {
    const rough = disks(60, 60, [30, 30, 15]);
    rough.data[2 * 60 + 2] = 1;
    rough.data[30 * 60 + 30] = 0;
    for (let y = 15; y < 22; y++) rough.data[y * 60 + 30] = 0;
    const smooth = smoothCells(rough);
    expect([smooth.data[122], smooth.data[1830], smooth.data[20 * 60 + 30]]).toEqual([0, 1, 1]);
  });

  test('a cell takes no pixel of another, and one at the border keeps its place there', () => {
    const labels = disks(30, 60, [0, 15, 12], [0, 40, 13]);
    const smooth = smoothCells(labels);
    for (const [i, label] of labels.data.entries())
      if (label > 0) expect([0, label]).toContain(smooth.data[i]);
    expect([smooth.data[15], smooth.data[40]]).toEqual([1, 2]);
  });

  test('no cells stay none', () => {
    expect(smoothCells({ height: 2, width: 3, data: new Uint32Array(6), count: 0 }).data).toEqual(
      new Uint32Array(6),
    );
  });
});

test('opening and closing are what dilation and erosion by a disk make of each other', () => {
  const mask: Mask = {
    height: 21,
    width: 23,
    data: Uint8Array.from({ length: 483 }, (_, i) => ((i * 7919) % 11 < 5 ? 1 : 0)),
  };
  /** By definition: a pixel of the disk around each pixel. */
  const grown = mask.data.map((_, i) => {
    const [y, x] = [Math.floor(i / 23), i % 23];
    return mask.data.some((v, k) => v === 1 && (Math.floor(k / 23) - y) ** 2 + ((k % 23) - x) ** 2 <= 9)
      ? 1
      : 0;
  });
  expect(dilate(mask, 3).data).toEqual(grown);
  const opened = openMask(mask, 1);
  expect(openMask(opened, 1)).toEqual(opened);
  expect(opened.data.every((v, i) => v <= (mask.data[i] as number))).toBe(true);
  const single = { height: 9, width: 9, data: new Uint8Array(81).fill(1, 40, 41) };
  expect(closeMask(single, 2)).toEqual(single);
  expect(erode(dilate(single, 2), 2)).toEqual(single);
});
