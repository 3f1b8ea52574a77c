import { describe, expect, test } from '@jest/globals';
import { bestShare, bestThreshold } from '../../src/adapt/chooseSchedule.js';
import { decide, gainOf, longerBudget } from '../../src/adapt/decide.js';
import type { Round } from '../../src/adapt/rounds.js';

const whole = { steps: [150, 150], wanted: 150, budgetSeconds: 600 };

describe('the decision', () => {
  const judge = (before: number[], after: number[]) => {
    const mean = after.reduce((a, b) => a + b, 0) / after.length;
    return decide(gainOf(before, after), mean, whole);
  };
  test('a gain is kept; a loss, chance and labels that fit nothing are not', () => {
    expect(judge([0.3, 0.4, 0.2, 0.5], [0.6, 0.6, 0.5, 0.7]).isKept).toBe(true);
    expect(judge([0.6, 0.6, 0.5], [0.5, 0.6, 0.5]).why).toMatch(/not expected to help/);
    expect(judge([0.1, 0.9, 0.5, 0.2], [0.9, 0.05, 0.55, 0.28]).why).toMatch(/chance/);
    expect(judge([0, 0, 0], [0.03, 0.05, 0.02]).why).toMatch(/labels belong/);
  });

  test('where the time ended learning early that is the first reason, with a longer budget, and labels are not blamed', () => {
    const cut = { ...whole, steps: [12, 18] };
    const none = gainOf([0, 0, 0], [0.02, 0.03, 0.01]);
    expect(decide(none, 0.02, cut)).toEqual({
      isKept: false,
      why: 'the time ended learning after 12 to 18 of 150 steps a round: allow more, for example --budget 100m; after adaptation hardly any held-out cell is found (F1 0.020)',
    });
    const gain = gainOf([0.3, 0.4, 0.2, 0.5], [0.6, 0.6, 0.5, 0.7]);
    const kept = decide(gain, 0.6, { ...whole, steps: [120, 120] });
    expect(kept.isKept).toBe(true);
    expect(kept.why).toMatch(/^expected on other images.*after 120 of 150 steps a round.*--budget 13m/);
    for (const learning of [whole, cut])
      expect(decide(gain, 0.6, learning).isKept).toBe(decide(gain, 0.6, whole).isKept);
    expect(longerBudget(whole)).toBeUndefined();
    expect(longerBudget({ ...whole, steps: [0, 1], budgetSeconds: 90 })).toBe('15m');
  });

  test('few images do not make it surer than the usual spread of gains, and more images do', () => {
    const gains = (n: number) =>
      gainOf(
        Array.from({ length: n }, () => 0.5),
        Array.from({ length: n }, () => 0.55),
      );
    const [few, many] = [gains(3), gains(40)];
    expect(few.mean).toBeCloseTo(0.05, 12);
    // With no spread of their own: that usual of three, of four images more, shared out over 3 - 1 + 4.
    expect(few.high - few.mean).toBeCloseTo(1.96 * Math.sqrt((4 * 0.24 ** 2) / 3 / 6 / 3), 12);
    const ten = gains(10);
    expect(ten.high - ten.mean).toBeCloseTo(1.96 * Math.sqrt((4 * 0.12 ** 2) / 13 / 10), 12);
    expect(few.low).toBeLessThan(0);
    expect(many.low).toBeGreaterThan(0);
    expect(many.certainty).toBeGreaterThan(few.certainty);
  });

  test('one and two images tell little, and too good a tale', () => {
    const half = gainOf([0.5, 0.5], [0.8, 0.9], 'halves');
    expect(half.mean).toBeCloseTo(0.35 - 0.25, 12);
    expect(half.high - half.mean).toBeCloseTo(1.96 * 0.24, 12);
    expect(half.certainty).toBeLessThan(gainOf([0.5, 0.5], [0.8, 0.9]).certainty);
    expect(gainOf([0.5, 0.5], [0.8, 0.9]).mean).toBeCloseTo(0.35 - 0.12, 12);
    const gain = [0.45, 0.5, 0.55];
    expect([1, 2, 3].map((n) => judge([0.4, 0.4, 0.4].slice(0, n), gain.slice(0, n)).isKept)).toEqual([
      false,
      false,
      true,
    ]);
  });
});

test('the length of learning has the best mean of boxes over all rounds, among what all of them tried', () => {
  const round = (...looks: [share: number, box: number, f1: number][]): Pick<Round, 'looks'> => ({
    looks: looks.map(([share, box, f1]) => ({ share, box, f1s: [f1] })),
  });
  const rounds = [
    round([1 / 3, 0.3, 0.9], [2 / 3, 0.3, 0.6], [1, 0.3, 0.5], [1, 0.4, 0.5]),
    round([2 / 3, 0.3, 0.5], [1, 0.3, 0.4], [1, 0.4, 0.7]),
  ];
  expect(bestShare(rounds)).toBe(1);
  expect(bestShare(rounds.slice(0, 1))).toBe(1 / 3);
});

test('the threshold has the best mean of masks; the one that came with the model stays where others are no better', () => {
  const images = (...f1s: number[]) => f1s.map((f1, i) => ({ id: String(i), f1, tp: 1, fp: 0, fn: 0 }));
  const [low, own, high] = [images(0.2, 0.9), images(0.5, 0.6), images(0.7, 0.3)];
  expect(bestThreshold([own, low, high], [0.4, 0.3, 0.5])).toEqual({ box: 0.4, scores: own });
  expect(bestThreshold([high, low], [0.5, 0.3])).toEqual({ box: 0.3, scores: low });
});
