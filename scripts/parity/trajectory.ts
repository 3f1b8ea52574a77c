import { Random } from '../../src/core/random.js';
import type { Batch, Cursor } from '../../src/data/sample.js';
import { toPublished } from '../../src/models/names.js';
import { tf } from '../../src/tf/index.js';
import type { GradientOptions } from '../../src/train/gradients.js';
import { AdamW } from '../../src/train/optimiser/adamw.js';
import { stageLoss } from '../../src/train/stages/stage.js';
import { type StepReport, train } from '../../src/train/trainer.js';
import type { Computed, Golden } from './golden.js';
import { modelInput } from './golden.js';
import { detectorLosses, lossOptions } from './stages.js';

/**
 * Five training steps of stage 1 with clipping, two learning rates and decay, through the project's own training loop.
 * Changes the model's weights.
 */
export async function computeTrajectory(golden: Golden, how: GradientOptions): Promise<Computed> {
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
  const reports: StepReport[] = [];
  const stage = {
    stage: 'detector' as const,
    promptsPerImage: 1,
    boxJitter: 0,
    trained,
    queryLoss: lossOptions(golden),
  };
  await train(
    { step: 0, cursor: { epoch: 0, position: 0, random: [] } },
    {
      parameters: model.parameters,
      trained,
      optimiser,
      batch: (cursor) => goldenBatch(golden, cursor),
      loss: (batch, random) => stageLoss(model, batch, stage, random),
      rates: () => ({
        main: stage1.lr_head,
        of: (name) => (name.startsWith(vit) ? stage1.lr_vit : stage1.lr_head),
      }),
      clipNorm: stage1.clip_norm,
      accumulate: 1,
      gradients: how,
      maxSteps: stage1.batches.length,
      random: new Random(0),
      hooks: [
        {
          onStep: async (report) => {
            reports.push(report);
            return undefined;
          },
        },
      ],
    },
  );
  const after = tf.tidy(
    () => detectorLosses(golden, stage1.batches[0] ?? []).total.dataSync()[0] ?? Number.NaN,
  );
  optimiser.dispose();
  const steps = [reports.length];
  const computed: Computed = new Map([
    ['out.trajectory.losses', { shape: steps, data: reports.map((r) => r.loss) }],
    ['out.trajectory.grad_norms', { shape: steps, data: reports.map((r) => r.gradientNorm) }],
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

/** The set's batch at a position, in the loader's form. */
function goldenBatch(golden: Golden, cursor: Cursor): Batch {
  const { config, input } = golden;
  const side = config.vit.img_size;
  const indexes = config.stage1.batches[cursor.position] ?? [];
  const { images, padding } = modelInput(golden, indexes);
  const pixels = Float32Array.from(images.dataSync());
  tf.dispose([images, padding]);
  const counts = Array.from(input('in.targets.count').data, Number);
  const boxes = Array.from(input('in.targets.boxes').data, Number);
  const labels = Array.from(input('in.targets.labels').data, Number);
  const valid = Array.from(input('in.valid').data, Number);
  const corners: number[] = [];
  const classes: number[] = [];
  const offsets = [0];
  for (const index of indexes) {
    const from = counts.slice(0, index).reduce((a, b) => a + b, 0);
    for (let t = from; t < from + (counts[index] as number); t++) {
      const [x, y, w, h] = boxes.slice(4 * t, 4 * t + 4).map((v) => v * side) as [
        number,
        number,
        number,
        number,
      ];
      corners.push(x - w / 2, y - h / 2, x + w / 2, y + h / 2);
      classes.push(labels[t] as number);
    }
    offsets.push(classes.length);
  }
  return {
    images: pixels,
    sizes: Int32Array.from(indexes.flatMap((i) => valid.slice(2 * i, 2 * i + 2))),
    boxes: Float32Array.from(corners),
    offsets: Int32Array.from(offsets),
    classes: Int32Array.from(classes),
    ids: indexes.map((i) => `image ${i}`),
    cursor: { ...cursor, position: cursor.position + 1 },
  };
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
