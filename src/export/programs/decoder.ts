import type { NamedTensors } from '../../graph/trace/record.js';
import type { Formula } from '../../graph/trace/symbols.js';
import type { Program } from '../../graph/trace/trace.js';
import type { CellSam } from '../../models/cellsam.js';
import { type MaskOutput, maskDecoder } from '../../models/sam/maskDecoder.js';
import {
  densePositions,
  ellipsePrompts,
  type FrameSize,
  labelledPoints,
  maskPrompts,
  noMask,
} from '../../models/sam/promptEncoder.js';
import { upscaleMasks } from '../../models/sam/upscaleMasks.js';
import { tf } from '../../tf/index.js';
import { baseOf, gridOf, uniform } from './parts.js';

/** `single`: mask token 0, which CellSAM trains and uses. `all`: SAM's four, token 0 first. */
export type DecoderMasks = 'single' | 'all';

/**
 * SAM's decoder under the names and shapes of segment-anything's own ONNX export, so that tools made for that take it; in
 * addition any number P of prompts may come at once. Labels: 0 background, 1 foreground, 2 and 3 the corners of a box,
 * -1 padding. Callers add a padding point where there is no box.
 */
export function decoderProgram(model: CellSam, masks: DecoderMasks): Program {
  const side = model.config.vit.imgSize;
  const grid = gridOf(model);
  const channels = model.config.vit.outChans;
  /** A side of the image after its longer one was scaled to the frame, as segment-anything rounds it. */
  const scaled = (name: string): Formula => [
    'floor',
    ['add', ['mul', ['div', side, ['max', 'H', 'W']], name], 0.5],
  ];
  return {
    ...baseOf(model),
    name: 'decoder',
    about: "masks of prompts; inputs and outputs of segment-anything's ONNX decoder",
    symbols: {
      P: { dim: ['point_coords', 0] },
      N: { dim: ['point_coords', 1] },
      H: { value: ['orig_im_size', 0] },
      W: { value: ['orig_im_size', 1] },
      inputH: { formula: scaled('H') },
      inputW: { formula: scaled('W') },
    },
    sizes: [
      { P: 3, N: 2, H: 90, W: 70 },
      { P: 5, N: 7, H: 41, W: 100 },
      { P: 2, N: 4, H: 77, W: 59 },
      { P: 7, N: 3, H: 50, W: 64 },
    ],
    inputs: ({ P = 1, N = 1, H = side, W = side }) => ({
      image_embeddings: uniform([1, channels, grid, grid], -1, 1),
      point_coords: uniform([P, N, 2], 0, side),
      point_labels: tf.tidy(() => uniform([P, N], -1, 4).floor()),
      mask_input: uniform([P, 1, 4 * grid, 4 * grid], -1, 1),
      has_mask_input: tf.tensor1d([P % 2]),
      orig_im_size: tf.tensor1d([H, W]),
    }),
    run: (inputs, { H = side, W = side, inputH = side, inputW = side }) => {
      const { lowRes, iou } = predict(model, inputs, masks);
      const frame = { height: side, width: side };
      const full = upscaleMasks(lowRes, frame, { height: inputH, width: inputW }, { height: H, width: W });
      return {
        masks: full.transpose([0, 3, 1, 2]),
        iou_predictions: iou,
        low_res_masks: lowRes.transpose([0, 3, 1, 2]),
      };
    },
  };
}

function predict(model: CellSam, inputs: NamedTensors, masks: DecoderMasks) {
  const { promptEncoder, config } = model;
  const grid = gridOf(model);
  const frame = { height: config.vit.imgSize, width: config.vit.imgSize };
  const [points, labels] = [inputs['point_coords'], inputs['point_labels']] as [tf.Tensor3D, tf.Tensor2D];
  const embedding = (inputs['image_embeddings'] as tf.Tensor).transpose([0, 2, 3, 1]) as tf.Tensor4D;
  const sparse = labelledPoints(points, labels, frame, promptEncoder);
  const dense = densePrompts(model, inputs, frame);
  const positions = densePositions(grid, grid, promptEncoder);
  const decode = (output: MaskOutput) =>
    maskDecoder(embedding, positions, sparse, dense, model.maskDecoder, config.maskDecoder, output);
  const single = decode('single');
  if (masks === 'single') return { lowRes: single.masks, iou: single.iou };
  const multi = decode('multi'); // what both compute is joined when the trace is simplified
  return {
    lowRes: tf.concat([single.masks, multi.masks], 3),
    iou: tf.concat([single.iou, multi.iou], 1),
  };
}

/** The mask prompt where there is one, blended arithmetically: a graph has no branches. */
function densePrompts(model: CellSam, inputs: NamedTensors, frame: FrameSize): tf.Tensor4D {
  const given = (inputs['mask_input'] as tf.Tensor).transpose([0, 2, 3, 1]) as tf.Tensor4D;
  const isGiven = (inputs['has_mask_input'] as tf.Tensor).reshape([1, 1, 1, 1]);
  const none = noMask(model.promptEncoder);
  const blend = (share: tf.Tensor, a: tf.Tensor, b: tf.Tensor) =>
    share.mul(a).add(tf.sub(1, share).mul(b)) as tf.Tensor4D;
  if (!model.config.promptEncoder.boxAsMask)
    return blend(isGiven, maskPrompts(given, model.promptEncoder), none);
  const { boxes, isBox } = boxesAmong(
    inputs['point_coords'] as tf.Tensor,
    inputs['point_labels'] as tf.Tensor,
  );
  const [, height = 1, width = 1] = given.shape;
  const mask = blend(isGiven, given, ellipsePrompts(boxes, frame, height, width));
  return blend(isGiven.maximum(isBox), maskPrompts(mask, model.promptEncoder), none);
}

/** The box of each prompt that has corners among its points: `[P, 4]`, and `[P, 1, 1, 1]` of 1 where there is one. */
function boxesAmong(points: tf.Tensor, labels: tf.Tensor) {
  const corner = (label: number) => {
    const is = labels.equal(label).toFloat().expandDims(-1); // [P, N, 1]
    return points.mul(is).sum(1);
  };
  const boxes = tf.concat([corner(2), corner(3)], 1) as tf.Tensor2D;
  const isBox = labels.equal(2).toFloat().max(1).expandDims(-1).expandDims(-1).expandDims(-1);
  return { boxes, isBox };
}
