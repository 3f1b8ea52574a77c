import { describe, expect, test } from '@jest/globals';
import { inChannelOrder } from '../../src/image/channels.js';

/** Two pixels whose channel c has the values c and 10 + c. */
function image(...channels: string[]) {
  const data = Float32Array.from([0, 10].flatMap((pixel) => channels.map((_, c) => pixel + c)));
  return { height: 1, width: 2, channels, data, range: [0, 255] as const };
}

describe("CellSAM's rule for channels", () => {
  test.each<readonly [found: string[], names: string[], values: number[]]>([
    [['DAPI'], ['DAPI'], [0, 10]],
    [
      ['whole-cell', 'nuclear'],
      ['nuclear', 'whole-cell'],
      [1, 0, 11, 10],
    ],
    [
      ['blank', 'nuclear', 'whole-cell'],
      ['nuclear', 'whole-cell'],
      [1, 2, 11, 12],
    ],
    [
      ['CD8', 'Hoechst 33342', 'CD99', 'Membrane'],
      ['nuclear', 'whole-cell'],
      [1, 3, 11, 13],
    ],
    [['brightfield', 'fluorescence'], ['whole-cell'], [0, 10]],
    [
      ['channel-1', 'channel-2'],
      ['channel-1', 'channel-2'],
      [0, 1, 10, 11],
    ],
    [
      ['red', 'green', 'blue'],
      ['red', 'green', 'blue'],
      [0, 1, 2, 10, 11, 12],
    ],
  ])('%p become %p', (found, names, values) => {
    const { channels, data } = inChannelOrder(image(...found));
    expect({ channels, data: [...data] }).toEqual({ channels: names, data: values });
  });

  test('what cannot be decided is asked', () => {
    expect(() => inChannelOrder(image('a', 'b', 'c', 'd'))).toThrow(/which of the 4 channels a, b, c, d/);
    expect(() => inChannelOrder(image('DAPI', 'DNA'))).toThrow(/would take one place/);
  });
});
