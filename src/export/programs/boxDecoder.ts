import type { Program } from '../../graph/trace/trace.js';
import type { CellSam } from '../../models/cellsam.js';
import { maskDecoderTokenSide } from '../../models/sam/maskDecoderTokenSide.js';
import { densePositions, noMask, sparsePrompts } from '../../models/sam/promptEncoder.js';
import { tf } from '../../tf/index.js';
import { baseOf, gridOf, uniform } from './parts.js';

/** Masks `[P, 4g, 4g]` and predicted IoU `[P]` of boxes `[P, 4]`. */
export function decodeBoxes(
  model: CellSam,
  embedding: tf.Tensor4D,
  boxes: tf.Tensor2D,
): { readonly masks: tf.Tensor4D; readonly iou: tf.Tensor2D } {
  const { config, promptEncoder, maskDecoder } = model;
  if (config.promptEncoder.boxAsMask) return model.decode(embedding, { boxes });
  const side = config.vit.imgSize;
  const sparse = sparsePrompts({ boxes }, { height: side, width: side }, promptEncoder);
  const base = embedding.add(noMask(promptEncoder)) as tf.Tensor4D;
  const positions = densePositions(gridOf(model), gridOf(model), promptEncoder);
  return maskDecoderTokenSide(base, positions, sparse, maskDecoder, config.maskDecoder);
}

/** The decoder for boxes alone, in the faster form that the segmenter uses. */
export function boxDecoderProgram(model: CellSam): Program {
  const side = model.config.vit.imgSize;
  const grid = gridOf(model);
  return {
    ...baseOf(model),
    name: 'box_decoder',
    about: 'masks of boxes [P, 4] (corners in pixels of the frame), before upscaling',
    symbols: { P: { dim: ['boxes', 0] } },
    sizes: [{ P: 2 }, { P: 3 }, { P: 5 }],
    inputs: ({ P = 1 }) => ({
      image_embeddings: uniform([1, model.config.vit.outChans, grid, grid], -1, 1),
      boxes: tf.tidy(() => {
        const low = uniform([P, 2], 0, side / 2);
        return tf.concat([low, low.add(side / 4)], 1);
      }),
    }),
    run: ({ image_embeddings: embeddings, boxes }) => {
      const embedding = (embeddings as tf.Tensor).transpose([0, 2, 3, 1]) as tf.Tensor4D;
      const { masks, iou } = decodeBoxes(model, embedding, boxes as tf.Tensor2D);
      return { low_res_masks: masks.transpose([0, 3, 1, 2]), iou_predictions: iou };
    },
  };
}
