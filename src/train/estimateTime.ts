import type { ModelConfig } from '../models/options.js';
import { type LayerSummary, summarise } from '../models/summary.js';
import { tf } from '../tf/index.js';
import { gradientOptions } from './gradients.js';
import type { TrainOptions } from './options.js';

/** Share of the machine's matrix-product rate that training reaches, as `npm run bench -- memory` saw it on two cores. */
const EFFICIENCY = 0.7;
/** Calls of TensorFlow cost their time however small the tensors are: seconds of a tiny step. */
const CALLS = 0.3;

/** An estimate of what a step costs. */
export interface TimeEstimate {
  readonly flopsPerStep: number;
  /** In float32 matrix products, here and now. */
  readonly flopsPerSecond: number;
  readonly secondsPerStep: number;
}

/**
 * Time of a step, from the model's operations and this machine's speed at matrix products.
 *
 * @param rate operations a second; measured when absent
 */
export function estimateTime(
  config: ModelConfig,
  options: TrainOptions,
  trained: readonly string[],
  rate = productRate(),
): TimeEstimate {
  const flopsPerImage = stepFlops(config, options, trained);
  const flopsPerStep = flopsPerImage * options.batchSize * options.accumulate;
  const flopsPerSecond = rate;
  const secondsPerStep = flopsPerStep / (EFFICIENCY * flopsPerSecond) + CALLS * options.accumulate;
  return { flopsPerStep, flopsPerSecond, secondsPerStep };
}

/**
 * Operations of a step for one image: a part with nothing to learn in or before it is computed once; others, where blocks
 * are recomputed, once more in the backward pass, which costs as much again for the gradient of the inputs and of the
 * weights each.
 */
function stepFlops(config: ModelConfig, options: TrainOptions, trained: readonly string[]): number {
  const { stage, promptsPerImage } = options;
  const isTrained = (layer: LayerSummary) => trained.some((name) => name.startsWith(`${layer.name}.`));
  const again = gradientOptions(options, config).recompute;
  const { layers } = summarise(config);
  const of = (pattern: RegExp) => layers.filter(({ name }) => pattern.test(name));
  const vit = of(/image_encoder\.(?!neck)/);
  const own = of(/backbone\.body/);
  const head = of(/^cellfinder(?!.*backbone\.body)/);
  const masks = [...of(/image_encoder\.neck/), ...of(/prompt_encoder/), ...of(/mask_decoder/)];
  const cost = (chain: readonly LayerSummary[], isAfterTrained: boolean) => {
    let total = 0;
    let isTaped = isAfterTrained;
    for (const layer of chain) {
      const times = /mask_decoder/.test(layer.name) ? promptsPerImage : 1;
      const isOwn = isTrained(layer);
      const forward = again && (isTaped || isOwn) ? 2 : 1;
      const passes = forward + (isTaped ? 1 : 0) + (isOwn ? 1 : 0);
      isTaped ||= isOwn;
      total += layer.flops * times * passes;
    }
    return { total, isTaped };
  };
  const encoder = cost(vit, false);
  const detectorVit = own.length === 0 ? encoder : cost(own, false);
  let total = 0;
  if (stage !== 'masks') total += detectorVit.total + cost(head, detectorVit.isTaped).total;
  if (stage !== 'detector') {
    const isShared = stage === 'joint' && own.length === 0;
    total += (isShared ? 0 : encoder.total) + cost(masks, encoder.isTaped).total;
  }
  return total;
}

/** Operations in a second of the fastest of a few large products; the first one warms up, others may be disturbed. */
function productRate(): number {
  const side = 384;
  let seconds = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const [a, b] = [tf.ones([side, side]), tf.ones([side, side])];
    const started = performance.now();
    const product = tf.matMul(a, b);
    product.dataSync();
    seconds = Math.min(seconds, (performance.now() - started) / 1000);
    tf.dispose([a, b, product]);
  }
  return (2 * side ** 3) / seconds;
}
