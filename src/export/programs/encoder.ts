import type { Program } from '../../graph/trace/trace.js';
import type { CellSam } from '../../models/cellsam.js';
import type { tf } from '../../tf/index.js';
import { baseOf, uniform } from './parts.js';

/** No trace at 1, where code takes shortcuts; none a multiple of another. */
export const BATCHES = [{ B: 2 }, { B: 3 }, { B: 5 }];

/**
 * `image [B, 3, S, S]`, normalised, to `image_embeddings [B, C, g, g]`. A detector that shares the ViT reads
 * `detector_tokens`, and with dense proposals `detector_stride4`.
 */
export function encoderProgram(model: CellSam): Program {
  const side = model.config.vit.imgSize;
  return {
    ...baseOf(model),
    name: 'encoder',
    about: 'image [B, 3, S, S], normalised by mean and deviation, to its embedding',
    symbols: { B: { dim: ['image', 0] } },
    sizes: BATCHES,
    inputs: ({ B = 1 }) => ({ image: uniform([B, 3, side, side], -2, 2) }),
    run: ({ image }) => {
      const encoded = model.encode((image as tf.Tensor).transpose([0, 2, 3, 1]) as tf.Tensor4D);
      return {
        image_embeddings: encoded.embedding.transpose([0, 3, 1, 2]),
        ...(model.config.layout === 'two' ? {} : { detector_tokens: encoded.detectorTokens }),
        ...(encoded.stride4 === undefined ? {} : { detector_stride4: encoded.stride4 }),
      };
    },
  };
}
