import { describe, expect, test } from '@jest/globals';
import { parseMicrometres, parseSchedule, parseSeconds } from '../../src/config/quantities.js';

describe('learning-rate expressions', () => {
  test('are arithmetic in step, epoch and maxSteps', async () => {
    const schedule = await parseSchedule('1e-3 * min(1, (step + 1) / 10) * (step < 50 ? 1 : 0.1)');
    expect(schedule({ step: 4, epoch: 0, maxSteps: 100 })).toBeCloseTo(5e-4, 12);
    expect(schedule({ step: 60, epoch: 1, maxSteps: 100 })).toBeCloseTo(1e-4, 12);
  });

  test.each([
    'import("fs")',
    'evaluate("1")',
    'parse("1")',
    'x = 3',
    'f(x) = x',
    '[1, 2][1]',
    'step.constructor',
    '"text"',
    'cos.constructor("return 1")()',
    'createUnit("x")',
    'step; 3',
    '{a: 1}',
    'stepp',
    '1:3',
  ])('%s cannot run', async (text) => {
    await expect(parseSchedule(text)).rejects.toThrow(/arithmetic|allowed|unknown|not an expression/);
  });

  test('a value that is not finite is an error that names the step', async () => {
    const schedule = await parseSchedule('1 / step');
    expect(() => schedule({ step: 0, epoch: 0, maxSteps: 1 })).toThrow(/at step 0/);
  });
});

describe('lengths', () => {
  test.each([
    ['0.65 um', 0.65],
    ['0.65 µm', 0.65],
    ['650 nm', 0.65],
    ['2', 2],
    [0.5, 0.5],
  ])('%s is %d micrometres', async (text, expected) => {
    expect(await parseMicrometres(text)).toBeCloseTo(expected, 9);
  });

  test.each(['-1 um', '0', '3 kg', 'wide', '1 um; 2', ''])('%s is refused', async (text) => {
    await expect(parseMicrometres(text)).rejects.toThrow(/not a positive length/);
  });
});

describe('times', () => {
  test.each([
    ['90s', 90],
    ['10m', 600],
    ['1.5 h', 5400],
    ['20', 20],
  ])('%s is %d s', async (text, seconds) => {
    expect(await parseSeconds(text)).toBeCloseTo(seconds, 9);
  });

  test.each(['', 'soon', '-3s', '0', '5 um', '1e400'])('`%s` is refused', async (text) => {
    await expect(parseSeconds(text)).rejects.toThrow(/not a positive time/);
  });
});
