import { describe, expect, test } from '@jest/globals';
import { preset } from '../../src/models/presets.js';
import { summarise } from '../../src/models/summary.js';

/** Multiply-adds in 10^9. */
const giga = (flops: number) => flops / 2e9;

describe('sizes and costs of a model', () => {
  // Published: CellSAM's Methods and segment-anything's modules, counted (paper.md 1.1).
  test.each([
    ['vit_b', 106_974_606, 486.0],
    ['vit_l', 312_342_832 + 13_239_134 + 65_536, 1492.8],
    ['vit_h', 641_090_608 + 13_239_134 + 131_072, 2980.5],
  ])(
    '%s: parameters are the published ones, operations of the encoder to four digits',
    (name, parameters, encode) => {
      const summary = summarise(preset(name));
      expect(summary.parameters).toBe(parameters);
      expect(summary.layers.reduce((n, layer) => n + layer.parameters, 0)).toBe(parameters);
      expect(giga(summary.flops.encode)).toBeCloseTo(encode, 1);
    },
  );

  test('layers of the base size cost what is published', () => {
    const { layers } = summarise(preset('vit_b'));
    const of = (end: string) => layers.find(({ name }) => name.endsWith(end)) ?? { parameters: 0, flops: 0 };
    expect(giga(of('blocks.0').flops)).toBeCloseTo(32.5, 1);
    expect(giga(of('blocks.2').flops)).toBeCloseTo(55.2, 1);
    expect(giga(of('patch_embed').flops)).toBeCloseTo(2.4, 1);
    expect(giga(of('neck').flops)).toBeCloseTo(3.2, 1);
    expect(giga(of('mask_decoder').flops)).toBeCloseTo(1.81, 1);
    expect(giga(of('input_proj').flops)).toBeCloseTo(0.8, 1);
    expect(giga(of('encoder_layers.0').flops)).toBeCloseTo(7.7, 1);
    expect(giga(of('decoder_layers.0').flops)).toBeCloseTo(13.8, 1);
    expect(of('blocks.0').parameters).toBe(7_091_328);
    expect(of('blocks.2').parameters).toBe(7_104_128);
    expect(of('neck').parameters).toBe(787_456);
  });

  test('the released layout counts both ViTs, and no layer of any preset is left out', () => {
    expect(summarise(preset('cellsam')).parameters).toBe(195_858_062);
    for (const name of ['cellsam', 'vit_t', 'tiny']) {
      const { layers, parameters, bytes } = summarise(preset(name));
      expect(layers.reduce((n, layer) => n + layer.parameters, 0)).toBe(parameters);
      expect(bytes.weights).toBeLessThan(bytes.forward);
      expect(bytes.trainingRecomputed).toBeLessThan(bytes.training);
    }
  });
});
