import type { NamedTensors } from '../../graph/trace/record.js';
import type { Program } from '../../graph/trace/trace.js';
import { lastLayer, scoredBoxes } from '../../models/cellfinder/scoredBoxes.js';
import type { CellSam } from '../../models/cellsam.js';
import { vitTokens } from '../../models/sam/imageEncoder.js';
import { STRIDE4_CHANNELS } from '../../models/sam/stem.js';
import { tf } from '../../tf/index.js';
import { BATCHES } from './encoder.js';
import { baseOf, gridOf, uniform } from './parts.js';

/**
 * Candidates `boxes [B, n, 4]` (corners in pixels of the frame) with `scores [B, n]`, all of them, unsorted. It reads the
 * encoder's `detector_tokens`, or, where the detector has a ViT of its own, `image`. Learned queries also give the class
 * `logits [B, n, K]`, and take `content_size [B, 2]`, height and width of the image within the frame.
 */
export function detectorProgram(model: CellSam): Program {
  const { config } = model;
  const { imgSize: side, embedDim } = config.vit;
  const grid = gridOf(model);
  const hasOwnVit = config.layout === 'two';
  const isDense = config.cellfinder.proposals === 'dense';
  const source = hasOwnVit ? 'image' : 'detector_tokens';
  return {
    ...baseOf(model),
    name: 'detector',
    about: 'candidate boxes in pixels of the frame, with scores',
    symbols: { B: { dim: [source, 0] } },
    sizes: BATCHES,
    inputs: ({ B = 1 }) => ({
      ...(hasOwnVit
        ? { image: uniform([B, 3, side, side], -2, 2) }
        : { detector_tokens: uniform([B, grid, grid, embedDim], -2, 2) }),
      ...(isDense
        ? { detector_stride4: uniform([B, side / 4, side / 4, STRIDE4_CHANNELS], -2, 2) }
        : { content_size: uniform([B, 2], side / 2, side) }),
    }),
    run: (inputs) => {
      const detectorTokens = hasOwnVit
        ? vitTokens(channelsLast(inputs['image']), model.detectorEncoder, config.vit).tokens
        : (inputs['detector_tokens'] as tf.Tensor4D);
      const tokens = (detectorTokens.shape as number[]).slice(0, 3);
      const output = isDense
        ? model.detect({
            detectorTokens,
            stride4: inputs['detector_stride4'] as tf.Tensor4D,
          })
        : model.detect({ detectorTokens }, paddingOf(inputs['content_size'], tokens, side));
      const { boxes, scores } = scoredBoxes(output, side);
      const logits: NamedTensors = output.kind === 'dense' ? {} : { logits: lastLayer(output).logits };
      return { boxes, scores, ...logits };
    },
  };
}

const channelsLast = (x: tf.Tensor | undefined): tf.Tensor4D =>
  (x as tf.Tensor).transpose([0, 2, 3, 1]) as tf.Tensor4D;

/** `[B, h, w]`, true where a token's nearest pixel lies outside the content. */
function paddingOf(size: tf.Tensor | undefined, tokens: number[], side: number): tf.Tensor3D {
  const [batch = 1, rows = 1, columns = 1] = tokens;
  const pixels = (n: number) => Float32Array.from({ length: n }, (_, i) => Math.floor((i * side) / n));
  const outside = (axis: number, n: number, shape: number[]) => {
    const limit = (size as tf.Tensor).slice([0, axis], [-1, 1]).reshape([batch, 1, 1]);
    return tf.tensor(pixels(n), shape).greaterEqual(limit);
  };
  const below = outside(0, rows, [1, rows, 1]);
  const beside = outside(1, columns, [1, 1, columns]);
  return below.logicalOr(beside) as tf.Tensor3D;
}
