import type { Program } from '../../graph/trace/trace.js';
import { scoredBoxes } from '../../models/cellfinder/scoredBoxes.js';
import type { CellSam } from '../../models/cellsam.js';
import { tf } from '../../tf/index.js';
import { BATCHES } from './encoder.js';
import { baseOf, uniform } from './parts.js';

/**
 * Encoder and detector as one: `image [B, 3, S, S]` with values 0..255 to `candidates [B, n, 5]`: corners in pixels of
 * the frame, and a score. One output, since readers of packages take several in any order.
 */
export function candidatesProgram(model: CellSam): Program {
  const { vit, pixelMean, pixelStd } = model.config;
  const side = vit.imgSize;
  return {
    ...baseOf(model),
    name: 'candidates',
    about: 'image [B, 3, S, S] with values 0..255 to candidate boxes [B, n, 5]: x0, y0, x1, y1, score',
    symbols: { B: { dim: ['image', 0] } },
    sizes: BATCHES,
    inputs: ({ B = 1 }) => ({ image: uniform([B, 3, side, side], 0, 255) }),
    run: ({ image }) => {
      const pixels = (image as tf.Tensor).transpose([0, 2, 3, 1]);
      const normalised = pixels.sub(tf.tensor1d([...pixelMean])).div(tf.tensor1d([...pixelStd]));
      const { boxes, scores } = scoredBoxes(model.detect(model.encode(normalised as tf.Tensor4D)), side);
      return { candidates: tf.concat([boxes, scores.expandDims(-1)], -1) };
    },
  };
}
