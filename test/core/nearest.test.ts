import { describe, expect, test } from '@jest/globals';
import { didYouMean, editDistance, nearest } from '../../src/core/nearest.js';

describe('finding what the user meant', () => {
  test.each([
    ['imagSize', 'imageSize', 1],
    ['teh', 'the', 1],
    ['', 'abc', 3],
    ['same', 'same', 0],
  ])('%s is %s within %i edits', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
  });

  test('the nearest candidate is named, and none when all are far', () => {
    expect(nearest('lerningRate', ['learningRate', 'maxSteps'])).toBe('learningRate');
    expect(nearest('zebra', ['learningRate', 'maxSteps'])).toBeUndefined();
    expect(didYouMean('maxStep', ['maxSteps'])).toBe('; did you mean `maxSteps`?');
  });
});
