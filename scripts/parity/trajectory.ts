import { toPublished } from '../../src/models/names.js';
import { tf } from '../../src/tf/index.js';
import { globalNorm, gradientsOf } from '../../src/train/gradients.js';
import { AdamW } from '../../src/train/optimiser/adamw.js';
import type { Computed, Golden } from './golden.js';
import { detectorLosses } from './stages.js';

/** Five training steps of stage 1 with clipping, two learning rates and decay. Changes the model's weights. */
export function computeTrajectory(golden: Golden): Computed {
  const { model, config } = golden;
  const { stage1 } = config;
  const vit = config.layout === 'two' ? 'cellfinder.decode_head.backbone.' : 'model.image_encoder.';
  const trained = model.parameters
    .names()
    .filter((name) => name.startsWith('cellfinder.') || name.startsWith(vit));
  const optimiser = new AdamW(model.parameters, {
    betas: stage1.betas,
    eps: stage1.eps,
    weightDecay: () => stage1.weight_decay,
  });
  const before = new Map(stage1.final_weights.map((name) => [name, published(golden, name)]));
  const losses: number[] = [];
  const norms: number[] = [];
  for (const batch of stage1.batches) {
    const { loss, grads } = gradientsOf(model.parameters, trained, () => detectorLosses(golden, batch).total);
    const norm = globalNorm(grads);
    optimiser.apply(
      grads,
      (name) => (name.startsWith(vit) ? stage1.lr_vit : stage1.lr_head),
      Math.min(1, stage1.clip_norm / (norm + 1e-6)),
    );
    tf.dispose([...grads.values()]);
    losses.push(loss);
    norms.push(norm);
  }
  const after = tf.tidy(
    () => detectorLosses(golden, stage1.batches[0] ?? []).total.dataSync()[0] ?? Number.NaN,
  );
  optimiser.dispose();
  const computed: Computed = new Map([
    ['out.trajectory.losses', { shape: [losses.length], data: losses }],
    ['out.trajectory.grad_norms', { shape: [norms.length], data: norms }],
    ['out.trajectory.loss_after', { shape: [], data: [after] }],
  ]);
  for (const [name, old] of before) {
    const now = published(golden, name);
    computed.set(`out.trajectory.weights.${name}`, now);
    computed.set(`out.trajectory.change.${name}`, {
      shape: now.shape,
      data: now.data.map((w, i) => w - (old.data[i] as number)),
    });
  }
  return computed;
}

function published(golden: Golden, name: string): { shape: readonly number[]; data: Float32Array } {
  const variable = golden.model.parameters.get(name);
  const array = toPublished(name, {
    shape: variable.shape,
    dtype: 'float32',
    data: Float32Array.from(variable.dataSync()),
  });
  return { shape: array.shape, data: array.data as Float32Array };
}
