import { expect, test } from '@jest/globals';
import type { AdaptOutcome } from '../../src/adapt/adapt.js';
import { adaptPage } from '../../src/adapt/adaptPage.js';
import { decide, gainOf } from '../../src/adapt/decide.js';

const score = (id: string, f1: number) => ({ id, f1, tp: 1, fp: 2, fn: 3 });

/** An outcome with these F1 before and after. */
function outcome(before: readonly number[], after: readonly number[]): AdaptOutcome {
  const gain = gainOf(before, after);
  const mean = after.reduce((a, b) => a + b, 0) / after.length;
  return {
    decision: decide(gain, mean, { steps: [9, 10], wanted: 9, budgetSeconds: 60 }),
    gain,
    before: before.map((f1, i) => score(`<image ${i}>`, f1)),
    after: after.map((f1, i) => score(`<image ${i}>`, f1)),
    thresholds: { box: 0.3, boxShare: 1, meanShare: 0, iou: 0, mask: 0.5 },
    steps: 10,
    roundSteps: [9, 10],
    factors: new Map(),
    trained: [],
    seconds: 1,
  };
}

test('the page tells every held-out part before and after, the decision and why, and loads nothing', async () => {
  const page = await adaptPage(
    'Adaptation to <mine>',
    outcome([0.2, 0.3], [0.5, 0.7]),
    [['Model', 'm']],
    '{}',
  );
  expect(page).toContain('0.250 → 0.600');
  expect(page).toContain('The adapted model is kept');
  expect(page).toContain('2 rounds of 9, 10 steps');
  expect(page).toMatch(/&#60;image 1&#62;.*0\.300.*0\.700.*\+0\.400/);
  expect(page).toContain('Adaptation to &#60;mine&#62;');
  expect(page).not.toMatch(/(src|href)="/);
  const worse = await adaptPage('a', outcome([0.5, 0.7], [0.02, 0.03]), [], '{}');
  expect(worse).toMatch(/class="warning">The model stays as it was: .*check that the labels belong/);
});
