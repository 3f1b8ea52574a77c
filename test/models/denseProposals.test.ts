import { expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { CellSam, disposeEncoded } from '../../src/models/cellsam.js';
import { preset } from '../../src/models/presets.js';
import { tf } from '../../src/tf/index.js';

test.each(['conv', 'patch'] as const)('dense proposals behind the stem `%s` cover the image', (stem) => {
  const base = preset('tiny');
  const model = CellSam.create({ ...base, vit: { ...base.vit, imgSize: 64, stem } }, new Random('dense'));
  expect(model.parameters.has('cellfinder.decode_head.dense.side.weight')).toBe(stem === 'conv');
  const images = tf.zeros<tf.Rank.R4>([1, 64, 64, 3]);
  const encoded = model.encode(images);
  const found = model.detect(encoded);
  if (found.kind !== 'dense') throw new Error('dense proposals are expected');
  expect(found.boxes.shape).toEqual([1, 256, 4]);
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = found.boxes.dataSync().slice(4 * 17, 4 * 18);
  // Untrained boxes stand on their cell: the 18th is the second of the second row, 4 px apart.
  expect(Math.abs((x0 + x1) / 2 - 6)).toBeLessThan(4);
  expect(Math.abs((y0 + y1) / 2 - 6)).toBeLessThan(4);
  tf.dispose([found.boxes, found.logits, images]);
  disposeEncoded(encoded);
  model.dispose();
});
