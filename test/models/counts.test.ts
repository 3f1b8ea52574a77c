import { describe, expect, test } from '@jest/globals';
import { weightSpecs } from '../../src/models/cellsam.js';
import { preset } from '../../src/models/presets.js';

/** Parameters (buffers left out) of all weights whose name matches. */
function count(name: string, pattern: RegExp): number {
  let sum = 0;
  for (const [key, spec] of weightSpecs(preset(name)))
    if (pattern.test(key) && spec.isTrainable !== false) sum += spec.shape.reduce((a, b) => a * b, 1);
  return sum;
}

describe('parameter counts equal the published ones', () => {
  test.each([
    ['vit_b', 89_670_912],
    ['vit_l', 308_278_272],
    ['vit_h', 637_026_048],
  ])('%s: image encoder, prompt encoder, mask decoder', (name, encoder) => {
    expect(count(name, /^model\.image_encoder\./)).toBe(encoder);
    expect(count(name, /^model\.prompt_encoder\./)).toBe(6_220);
    expect(count(name, /^model\.mask_decoder\./)).toBe(4_058_340);
  });

  test("CellFinder's head and the whole in both layouts", () => {
    expect(count('vit_b', /^cellfinder\./)).toBe(13_239_134);
    expect(count('vit_b', /./)).toBe(106_974_606);
    expect(count('cellsam', /^cellfinder\./)).toBe(102_122_590);
    expect(count('cellsam', /./)).toBe(195_858_062);
  });

  test('a small preset stays below 12 million', () => {
    expect(count('vit_t', /./)).toBeLessThan(12_000_000);
  });
});
