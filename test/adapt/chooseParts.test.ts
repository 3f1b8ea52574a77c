import { expect, test } from '@jest/globals';
import { annotatedFields, withoutMasks } from '../../src/adapt/annotated.js';
import { chooseParts, partsToTrain } from '../../src/adapt/chooseParts.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import type { Thresholds } from '../../src/segment/thresholds.js';
import { loadModelFile } from '../../src/weights/modelFile.js';
import { shippedModel } from '../../src/weights/shippedModel.js';

const fields = (modality: 'fluorescence' | 'phase') =>
  annotatedFields([simulate({ modality, side: 128, seed: 'parts/1' })]);

test('the decoder learns too where its masks are poor in the annotated boxes, and where there are masks to learn from', async () => {
  const { model, card } = await loadModelFile(shippedModel);
  if (card.thresholds === undefined) throw new Error('no thresholds');
  const nuclei = await chooseParts(model, card.thresholds, fields('fluorescence'));
  expect(nuclei.parts).toEqual(['detector']);
  expect(nuclei.inTrueBoxes).toBeGreaterThan(0.8);
  const phase = await chooseParts(model, card.thresholds, fields('phase'));
  expect(phase.parts).toEqual(['detector', 'decoder']);
  expect(phase.inTrueBoxes).toBeLessThan(0.8);
  const boxes = await chooseParts(model, card.thresholds, fields('phase').map(withoutMasks));
  expect(boxes).toEqual({ parts: ['detector'] });
  const asked = (wanted: Parameters<typeof partsToTrain>[0]) =>
    partsToTrain(wanted, model, card.thresholds as Thresholds, fields('phase'));
  expect(await asked({ lora: [] })).toEqual(phase);
  expect(await asked({ parts: ['neck'], lora: [] })).toEqual({ parts: ['neck'] });
  expect(await asked({ lora: ['decoder'] })).toEqual({ parts: ['detector'] });
  model.dispose();
});
