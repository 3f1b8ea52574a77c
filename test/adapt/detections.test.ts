import { expect, test } from '@jest/globals';
import { annotatedFields } from '../../src/adapt/annotated.js';
import { detectionScores, scoringTiles } from '../../src/adapt/detections.js';
import { resizedField, scoreAll } from '../../src/adapt/score.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import { tf } from '../../src/tf/index.js';
import { loadModelFile } from '../../src/weights/modelFile.js';
import { shippedModel } from '../../src/weights/shippedModel.js';

test('scores of boxes rise and fall with the threshold as those of masks do, and nothing leaks', async () => {
  const { model, card } = await loadModelFile(shippedModel);
  const fields = annotatedFields([simulate({ modality: 'fluorescence', side: 128, seed: 4 })]);
  const thresholds = card.thresholds as NonNullable<typeof card.thresholds>;
  const tensors = tf.memory().numTensors;
  const tiles = scoringTiles(model, thresholds, fields);
  const boxes = [0.1, thresholds.box, 0.999];
  const scores = await detectionScores(model, tiles, thresholds, boxes);
  expect(tf.memory().numTensors).toBe(tensors);
  expect(scores.map((own) => own.length)).toEqual([1, 1, 1]);
  const [low = 0, usual = 0, high = 0] = scores.map(([f1]) => f1);
  expect(usual).toBeGreaterThan(0.5);
  expect(usual).toBeGreaterThan(low);
  expect(high).toBe(0);
  const [[masks] = []] = await scoreAll(model, [thresholds], fields);
  expect(Math.abs((masks?.f1 ?? 0) - usual)).toBeLessThan(0.25);
  model.dispose();
});

test('tiles are upright, at the size that the model knows and about it, and cover the field', async () => {
  const { model, card } = await loadModelFile(shippedModel);
  const [field] = annotatedFields([simulate({ modality: 'fluorescence', side: 400, seed: 5 })]);
  if (field === undefined || card.thresholds === undefined) throw new Error('no field');
  const tiles = scoringTiles(model, card.thresholds, [field]);
  const zoom = (card.thresholds.objectSide ?? 1) / field.objectSide;
  const across = (scale: number) =>
    400 <= 256 / scale ? 1 : Math.ceil((400 - 256 / scale) / (0.75 * (256 / scale))) + 1;
  const count = [0.7, 1, 1.4].reduce((sum, size) => sum + across(zoom * size) ** 2, 0);
  expect(tiles).toHaveLength(Math.min(36, count));
  model.dispose();
});

test('a field at another size keeps its objects, their boxes in proportion', () => {
  const [field] = annotatedFields([simulate({ modality: 'fluorescence', side: 100, seed: 6 })]);
  if (field === undefined) throw new Error('no field');
  const larger = resizedField(field, 1.6);
  expect([larger.height, larger.width, larger.boxes.count]).toEqual([160, 160, field.boxes.count]);
  const ends = (own: typeof field) => Math.max(...own.boxes.xyxy);
  expect(Math.abs(ends(larger) - 1.6 * ends(field))).toBeLessThan(2);
  expect(larger.values).toHaveLength(160 * 160 * field.channels);
  expect(resizedField(field, 1)).toBe(field);
});
