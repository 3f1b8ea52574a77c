import { describe, expect, test } from '@jest/globals';
import { averageWith, shareOf, shrinkTowards, shrunkFactors } from '../../src/adapt/shrink.js';
import { Random } from '../../src/core/random.js';
import { CellSam } from '../../src/models/cellsam.js';
import { preset } from '../../src/models/presets.js';
import { tf } from '../../src/tf/index.js';

describe('what is learnt from few images', () => {
  test('is taken over in part, adapters too', () => {
    const own = CellSam.create(preset('tiny'), new Random(3));
    const name = 'cellfinder.decode_head.dense.score.weight';
    const before = own.parameters.get(name).clone();
    tf.tidy(() => own.parameters.assign(name, before.add(4)));
    shrinkTowards(own, new Map([[name, before]]), 0.25);
    const [from, to] = [before, own.parameters.get(name)].map((t) => [...t.dataSync()]);
    for (const [i, value] of (from ?? []).entries()) expect(to?.[i]).toBeCloseTo(value + 1, 5);
    before.dispose();
    own.dispose();
    const array = (data: number[], shape: number[]) => ({
      shape,
      dtype: 'float32' as const,
      data: Float32Array.from(data),
    });
    const factors = new Map([['w', { down: array([1, 2], [2, 1]), up: array([3, 4], [1, 2]) }]]);
    expect(shrunkFactors(factors, 0.5).get('w')).toEqual({
      down: array([1, 2], [2, 1]),
      up: array([1.5, 2], [1, 2]),
    });
  });

  test('is averaged with what other rounds learnt', () => {
    const own = CellSam.create(preset('tiny'), new Random(3));
    const name = 'cellfinder.decode_head.dense.score.bias';
    own.parameters.assign(name, tf.fill(own.parameters.get(name).shape, 1));
    const rounds = [2, 6].map((value) => new Map([[name, tf.fill(own.parameters.get(name).shape, value)]]));
    averageWith(own, [name], rounds);
    for (const value of own.parameters.get(name).dataSync()) expect(value).toBeCloseTo(3, 6);
    tf.dispose(rounds.map((round) => [...round.values()]));
    own.dispose();
  });

  test('counts more the more images there are', () => {
    expect([1, 4].map(shareOf)).toEqual([1 / 2, 4 / 5]);
  });
});
