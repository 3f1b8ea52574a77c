import type { Random } from '../../core/random.js';
import type { Batch } from '../../data/sample.js';
import type { CellSam } from '../../models/cellsam.js';
import { recomputedPart } from '../../models/gradientPlan.js';
import { tf } from '../../tf/index.js';
import { denseLosses } from '../losses/dense.js';
import { MASK_LOSS, type MaskLossOptions, maskLosses } from '../losses/masks.js';
import { QUERY_LOSS, type QueryLossOptions, queryLosses } from '../losses/queries.js';
import { encodeForStage, type StageInputs } from './encode.js';
import { promptedMasks } from './promptedMasks.js';
import { maskTargets, queryTargets, tokenPadding } from './targets.js';

/** Which part learns: the detector on boxes (1), masks from true boxes (2), or both at once. */
export type Stage = 'detector' | 'masks' | 'joint';

export interface StageOptions {
  readonly stage: Stage;
  /** Objects of an image that prompt the decoder in a step. */
  readonly promptsPerImage: number;
  /** Standard deviation of a box edge's shift, as a share of the box's side. */
  readonly boxJitter: number;
  /** Names of the weights that are trained; parts without any are kept off the tape. All when absent. */
  readonly trained?: readonly string[];
  readonly maskLoss?: MaskLossOptions;
  readonly queryLoss?: QueryLossOptions;
}

/** The loss of a batch as one scalar, with its parts as numbers for the log. */
export interface StageLoss {
  readonly total: tf.Scalar;
  readonly parts: Readonly<Record<string, number>>;
}

/** Computes the loss of a batch; everything in it is differentiable in the model's trained parameters. */
export function stageLoss(model: CellSam, batch: Batch, options: StageOptions, random: Random): StageLoss {
  const side = model.config.vit.imgSize;
  const images = tf.tensor4d(batch.images, [batch.ids.length, side, side, 3]);
  const { trained } = options;
  const isTrained = (pattern: RegExp) => trained === undefined || trained.some((name) => pattern.test(name));
  return lossFrom(model, encodeForStage(model, images, options.stage, isTrained), batch, options, random);
}

/** The loss of a batch whose images were encoded before; parts that the inputs lack are not learnt. */
export function lossFrom(
  model: CellSam,
  inputs: StageInputs,
  batch: Batch,
  options: StageOptions,
  random: Random,
): StageLoss {
  const parts: Record<string, number> = {};
  const totals: tf.Scalar[] = [];
  if (inputs.detector !== undefined) totals.push(detectorLoss(model, inputs.detector, batch, options, parts));
  if (inputs.embedding !== undefined)
    totals.push(...maskLoss(model, inputs.embedding, batch, options, random, parts));
  const total = tf.addN([...totals, tf.scalar(0)]).asScalar();
  return { total, parts };
}

function detectorLoss(
  model: CellSam,
  inputs: NonNullable<StageInputs['detector']>,
  batch: Batch,
  options: StageOptions,
  parts: Record<string, number>,
): tf.Scalar {
  const { imgSize: side, patchSize } = model.config.vit;
  const output = model.detect(inputs, tokenPadding(batch, side, side / patchSize));
  if (output.kind === 'dense') {
    const cells = side / output.stride;
    const losses = denseLosses(output, batch.boxes, batch.offsets, { rows: cells, columns: cells });
    note(parts, { score: losses.score, box: losses.box });
    return losses.total;
  }
  const losses = queryLosses(output, queryTargets(batch, side), options.queryLoss ?? QUERY_LOSS);
  note(parts, {
    ce: losses['loss_ce'] as tf.Scalar,
    bbox: losses['loss_bbox'] as tf.Scalar,
    giou: losses['loss_giou'] as tf.Scalar,
  });
  return losses.total;
}

function maskLoss(
  model: CellSam,
  embedding: tf.Tensor4D,
  batch: Batch,
  options: StageOptions,
  random: Random,
  parts: Record<string, number>,
): tf.Scalar[] {
  const side = embedding.shape[1] * 4;
  const targets = maskTargets(batch, options.promptsPerImage, options.boxJitter, side, random);
  if (targets.length === 0) return [];
  const count = targets.reduce((sum, t) => sum + t.count, 0);
  const truth = tf.tensor3d(joined(targets.map((t) => t.masks)), [count, side, side]);
  const { masks, iou } = promptedMasks(model, embedding, targets);
  const losses = lossesOfMasks(model, masks, truth, iou, options.maskLoss ?? MASK_LOSS);
  const { total, ...named } = losses;
  const { weights } = options.maskLoss ?? MASK_LOSS;
  note(
    parts,
    Object.fromEntries(Object.entries(named).filter(([n]) => weights[n as keyof typeof weights] > 0)),
  );
  return [total];
}

/** `maskLosses`, whose many passing results are as large as all masks together and are not kept with recomputation. */
function lossesOfMasks(
  model: CellSam,
  masks: tf.Tensor,
  truth: tf.Tensor,
  iou: tf.Tensor,
  options: MaskLossOptions,
): ReturnType<typeof maskLosses> {
  model.parameters.plan()?.constants.add(truth);
  let names: string[] = [];
  const values = recomputedPart([masks, truth, iou], model.maskDecoder, ([m, t, q]) => {
    const losses = maskLosses(m as tf.Tensor, t as tf.Tensor, q as tf.Tensor, options);
    names = Object.keys(losses);
    return Object.values(losses) as tf.Tensor[];
  });
  return Object.fromEntries(names.map((name, i) => [name, values[i]])) as ReturnType<typeof maskLosses>;
}

function joined(pieces: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

function note(parts: Record<string, number>, losses: Readonly<Record<string, tf.Scalar>>): void {
  for (const [name, value] of Object.entries(losses)) parts[name] = value.dataSync()[0] ?? Number.NaN;
}
