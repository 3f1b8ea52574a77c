import type { Program } from '../../graph/trace/trace.js';
import type { CellSam } from '../../models/cellsam.js';
import { upscaleMasks } from '../../models/sam/upscaleMasks.js';
import { tf } from '../../tf/index.js';
import { decodeBoxes } from './boxDecoder.js';
import { baseOf, uniform } from './parts.js';
import { type GraphFit, imageSymbols, preprocess } from './preprocess.js';

/** From a picture of bytes `[H, W, 3]` and boxes `[P, 4]` in its pixels to mask logits `[P, H, W]`, all in one graph. */
export function segmentBoxesProgram(model: CellSam): Program {
  const { config } = model;
  const side = config.vit.imgSize;
  const fit: GraphFit = config.cellfinder.proposals === 'dense' ? 'native' : 'pad';
  return {
    ...baseOf(model),
    name: 'segment_boxes',
    about: 'a picture [H, W, 3] of bytes and boxes [P, 4] in its pixels, to mask logits [P, H, W]',
    symbols: { ...imageSymbols(side, fit), P: { dim: ['boxes', 0] } },
    sizes: [
      { P: 3, H: 90, W: 70 },
      { P: 5, H: 41, W: 101 },
      { P: 2, H: 77, W: 59 },
      { P: 7, H: 53, W: 64 },
    ].map(({ P, H, W }) => ({ P, H: H + side, W: W + side })),
    byteInputs: ['image'],
    inputs: ({ P = 1, H = 1, W = 1 }) => ({
      image: tf.tidy(() => uniform([H, W, 3], 0, 256).toInt()),
      boxes: tf.tidy(() => {
        const low = uniform([P, 2], 0, Math.min(H, W) / 2);
        return tf.concat([low, low.add(Math.min(H, W) / 4)], 1);
      }),
    }),
    run: ({ image, boxes }, sizes) => {
      const { H = 1, W = 1, inputH = 1, inputW = 1 } = sizes;
      const frame = preprocess(image as tf.Tensor, config, fit, sizes);
      const { embedding } = model.encode(frame);
      const [wide, high] = [tf.scalar(inputW).div(tf.scalar(W)), tf.scalar(inputH).div(tf.scalar(H))];
      const scaled = (boxes as tf.Tensor2D).mul(tf.stack([wide, high, wide, high])) as tf.Tensor2D;
      const { masks, iou } = decodeBoxes(model, embedding, scaled);
      const content = { height: inputH, width: inputW };
      const full = upscaleMasks(masks, { height: side, width: side }, content, { height: H, width: W });
      return { masks: full.squeeze([3]), iou_predictions: iou.flatten() };
    },
  };
}
