import { describe, expect, test } from '@jest/globals';
import { lossPlot } from '../../src/train/lossPlot.js';

const heights = (svg: string, colour: string) =>
  [
    ...(new RegExp(`<path d="([^"]+)" fill="none" stroke="${colour}"`).exec(svg)?.[1] ?? '').matchAll(
      /[ML][\d.]+ ([\d.]+)/g,
    ),
  ].map((m) => Number(m[1]));

describe('the plot of a run', () => {
  test('draws the loss on a logarithmic axis: equal ratios are equal distances', () => {
    const svg = lossPlot([10, 1, 0.1].map((loss, i) => ({ step: i + 1, loss })));
    const [a = 0, b = 0, c = 0] = heights(svg, '#1d4ed8');
    expect(b - a).toBeGreaterThan(100);
    expect(c - b).toBeCloseTo(b - a, 0);
  });

  test('draws F1 from 0 at the bottom to 1 at the top', () => {
    const svg = lossPlot([
      { step: 1, validationF1: 0 },
      { step: 2, validationF1: 1 },
      { step: 2, loss: 1 },
    ]);
    const [low = 0, high = 0] = heights(svg, '#c2410c');
    expect([low, high]).toEqual([372, 40]);
  });

  test.each([[[]], [[{ step: 1, loss: 2 }]], [[{ step: 1, loss: Number.NaN }]]])(
    'has no broken numbers: %j',
    (lines) => {
      expect(lossPlot(lines)).not.toMatch(/NaN|Infinity|undefined/);
    },
  );
});
