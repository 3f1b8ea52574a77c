import { cellfinder } from '../../src/models/cellfinder/cellfinder.js';
import { toPublished } from '../../src/models/names.js';
import { vitTokens } from '../../src/models/sam/imageEncoder.js';
import { tf } from '../../src/tf/index.js';
import { type GradientOptions, globalNorm, gradientsOf } from '../../src/train/gradients.js';
import { maskLosses, trueIou } from '../../src/train/losses/masks.js';
import { type QueryLossOptions, queryLosses } from '../../src/train/losses/queries.js';
import { promptedMasks } from '../../src/train/stages/promptedMasks.js';
import { matchingCosts, targetsOf } from './forward.js';
import { type Computed, type Golden, modelInput, tensorOf } from './golden.js';

/** Losses and gradients of both stages. */
export function computeStages(golden: Golden, how: GradientOptions): Computed {
  const computed: Computed = new Map();
  stage1(golden, computed, how);
  stage2(golden, computed, how);
  return computed;
}

export function lossOptions(golden: Golden): QueryLossOptions {
  const c = golden.config.criterion;
  return {
    ...matchingCosts(golden),
    weightCe: c['weight_ce'] ?? 2,
    weightBbox: c['weight_bbox'] ?? 5,
    weightGiou: c['weight_giou'] ?? 2,
    focalAlpha: c['focal_alpha'] ?? 0.25,
    focalGamma: c['focal_gamma'] ?? 2,
  };
}

/** Stage 1's losses of some images. */
export function detectorLosses(golden: Golden, indexes: readonly number[]) {
  const { model } = golden;
  const { images, padding } = modelInput(golden, indexes);
  const { tokens } = vitTokens(images, model.detectorEncoder, model.config.vit);
  const output = cellfinder(tokens, padding, model.detector, model.config.cellfinder);
  return queryLosses(output, targetsOf(golden, indexes), lossOptions(golden));
}

function stage1(golden: Golden, computed: Computed, how: GradientOptions): void {
  const { forward_images: indexes } = golden.config.inputs;
  const losses: Record<string, number> = {};
  gradientKeys(golden, 'stage1', computed, how, () => {
    const named = detectorLosses(golden, indexes);
    for (const [name, value] of Object.entries(named)) losses[name] = value.dataSync()[0] ?? Number.NaN;
    return named.total;
  });
  for (const [name, value] of Object.entries(losses))
    computed.set(`out.loss.stage1.${name}`, { shape: [], data: [value] });
}

function stage2(golden: Golden, computed: Computed, how: GradientOptions): void {
  const { config } = golden;
  const options = {
    weights: config.stage2.weights,
    focalAlpha: config.stage2.focal_alpha,
    focalGamma: config.stage2.focal_gamma,
  };
  const losses: Record<string, number> = {};
  gradientKeys(golden, 'stage2', computed, how, () => {
    const { masks, iou } = masksOfBoxes(golden);
    const truth = tensorOf(golden.input('in.stage2.masks'));
    computed.set('out.stage2.masks', { shape: masks.shape, data: masks.dataSync() });
    computed.set('out.stage2.iou', { shape: iou.shape, data: iou.dataSync() });
    computed.set('out.stage2.true_iou', {
      shape: iou.shape,
      data: tf.tidy(() => trueIou(masks, truth).dataSync()),
    });
    const named = maskLosses(masks, truth, iou, options);
    for (const [name, value] of Object.entries(named)) losses[name] = value.dataSync()[0] ?? Number.NaN;
    return named.total;
  });
  for (const [name, value] of Object.entries(losses))
    computed.set(`out.loss.stage2.${name}`, { shape: [], data: [value] });
}

/** Every box of stage 2 prompts its own image. */
function masksOfBoxes(golden: Golden): { masks: tf.Tensor; iou: tf.Tensor } {
  const boxes = Float32Array.from(golden.input('in.stage2.boxes').data, Number);
  const owner = Array.from(golden.input('in.stage2.image').data, Number);
  const used = [...new Set(owner)];
  const { images } = modelInput(golden, used);
  const prompts = used.map((image, i) => {
    const [from, count] = [owner.indexOf(image), owner.filter((o) => o === image).length];
    return { image: i, boxes: boxes.slice(4 * from, 4 * (from + count)), count };
  });
  return promptedMasks(golden.model, golden.model.encode(images).embedding, prompts);
}

function gradientKeys(
  golden: Golden,
  stage: 'stage1' | 'stage2',
  computed: Computed,
  how: GradientOptions,
  loss: () => tf.Scalar,
): void {
  const { model } = golden;
  const names = model.parameters.names().filter((name) => model.parameters.get(name).trainable);
  const { grads } = gradientsOf(model.parameters, names, loss, how);
  const { gradients_stored: stored, gradient_norm_order: order } = golden.config[stage];
  for (const name of stored) {
    const gradient = grads.get(name);
    if (gradient === undefined) continue;
    const array = toPublished(name, {
      shape: gradient.shape,
      dtype: 'float32',
      data: gradient.dataSync() as Float32Array,
    });
    computed.set(`out.grad.${stage}.${name}`, array as { shape: readonly number[]; data: Float32Array });
  }
  const norms = order.map((name) => {
    const gradient = grads.get(name);
    return gradient === undefined ? 0 : globalNorm(new Map([[name, gradient]]));
  });
  computed.set(`out.gradnorm.${stage}`, { shape: [norms.length], data: norms });
  tf.dispose([...grads.values()]);
}
