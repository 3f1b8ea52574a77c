import { expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { valueOfRank } from '../../src/core/rank.js';

test('the value of a rank is the one at its place after sorting, with ties and few values too', () => {
  const random = new Random(1);
  for (let round = 0; round < 200; round++) {
    const values = Float32Array.from({ length: 1 + random.integer(40) }, () => random.integer(12) / 3);
    const rank = random.integer(values.length);
    expect(valueOfRank(values.slice(), rank)).toBe(values.slice().sort()[rank]);
  }
});
