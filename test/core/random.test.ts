import { describe, expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';

const draw = (random: Random, count: number) => Array.from({ length: count }, () => random.uniform());

describe('the seeded random source', () => {
  test('equal seeds give equal numbers and other seeds others', () => {
    expect(draw(new Random(7), 5)).toEqual(draw(new Random(7), 5));
    expect(draw(new Random(7), 5)).not.toEqual(draw(new Random(8), 5));
  });

  test('a split does not depend on how many numbers were drawn before', () => {
    const used = new Random(7);
    draw(used, 100);
    expect(draw(used.split('mix'), 3)).toEqual(draw(new Random(7).split('mix'), 3));
  });

  test('restoring a saved state goes on with the same numbers', () => {
    const random = new Random('x');
    draw(random, 11);
    const state = random.save();
    const expected = draw(random, 4);
    const resumed = new Random(0);
    resumed.restore(state);
    expect(draw(resumed, 4)).toEqual(expected);
  });

  test('uniform numbers fill [0, 1) evenly, normal ones have mean 0 and deviation 1', () => {
    const random = new Random(1);
    const uniform = draw(random, 20_000);
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...uniform)).toBeLessThan(1);
    expect(mean(uniform)).toBeCloseTo(0.5, 2);
    const normal = Array.from({ length: 20_000 }, () => random.normal());
    expect(mean(normal)).toBeCloseTo(0, 1);
    expect(mean(normal.map((x) => x * x))).toBeCloseTo(1, 1);
  });

  test('Poisson counts have the asked mean on both sides of the switch at 60', () => {
    const random = new Random(2);
    for (const expected of [0.5, 12, 200]) {
      const counts = Array.from({ length: 5000 }, () => random.poisson(expected));
      expect(Math.abs(mean(counts) - expected)).toBeLessThan(4 * Math.sqrt(expected / 5000));
    }
  });

  test('a permutation holds every number once', () => {
    expect([...new Random(3).permutation(50)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, i) => i),
    );
    expect(new Random(3).permutation(0)).toHaveLength(0);
  });
});

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
