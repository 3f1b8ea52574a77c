import { Random } from '../../src/core/random.js';
import { batchAt } from '../../src/data/batches.js';
import type { PreparedField } from '../../src/data/prepared.js';
import { plainThresholds } from '../../src/evaluate/calibrate.js';
import { proposals } from '../../src/evaluate/parts.js';
import { annotated } from '../../src/evaluate/scoreFields.js';
import { boxIouTable } from '../../src/image/boxes.js';
import { boxesOf } from '../../src/image/labels.js';
import { CellSam } from '../../src/models/cellsam.js';
import type { ModelConfig } from '../../src/models/options.js';
import { CellSegmenter } from '../../src/segment/cellSegmenter.js';
import { tf } from '../../src/tf/index.js';
import { globalNorm, gradientsOf } from '../../src/train/gradients.js';
import { AdamW } from '../../src/train/optimiser/adamw.js';
import { stageLoss } from '../../src/train/stages/stage.js';

/** A form of the detector whose learning is watched. */
export interface Form {
  readonly name: string;
  readonly config: ModelConfig;
  readonly learningRate: number;
  /** Objects are brought to this median side, in training and when cells are found. */
  readonly objectSide?: number;
}

export interface Point {
  readonly step: number;
  /** Of all training steps so far, in CPU seconds. */
  readonly cpu: number;
  /** Mean over images of F1 of boxes at IoU 0.5, at the score threshold that is best on these images. */
  readonly f1: number;
}

export interface Course {
  readonly form: Form;
  readonly parameters: number;
  readonly points: readonly Point[];
}

const BATCH = 4;
const WARM_UP = 15;

/** Trains the detector from nothing and scores it at the given steps; equal seeds draw equal views of equal fields. */
export async function learn(
  form: Form,
  train: readonly PreparedField[],
  validation: readonly PreparedField[],
  steps: readonly number[],
): Promise<Course> {
  const { config, learningRate, objectSide } = form;
  const last = steps.at(-1) ?? 0;
  const model = CellSam.create(config, new Random('learning'));
  const names = model.parameters.names();
  const optimiser = new AdamW(model.parameters, {
    betas: [0.9, 0.99],
    eps: 1e-8,
    weightDecay: (name) => (model.parameters.get(name).rank > 1 ? 0.05 : 0),
  });
  const { pixelMean, pixelStd } = config;
  const view = { side: config.vit.imgSize, scale: [0.75, 1.4] as const, objectSide, pixelMean, pixelStd };
  const points: Point[] = [];
  let cpu = 0;
  let cursor = { epoch: 0, position: 0, random: [] as number[] };
  for (let step = 0; step < last; step++) {
    const before = process.cpuUsage();
    const batch = batchAt(train, cursor, BATCH, view, new Random('views'));
    cursor = { ...batch.cursor, random: [...batch.cursor.random] };
    const options = { stage: 'detector', promptsPerImage: 1, boxJitter: 0 } as const;
    const loss = () => stageLoss(model, batch, options, new Random(step)).total;
    const { grads } = gradientsOf(model.parameters, names, loss, { recompute: false });
    const scale = Math.min(1, 1 / (globalNorm(grads) + 1e-6));
    const rate =
      learningRate * Math.min(1, (step + 1) / WARM_UP) * (0.51 + 0.49 * Math.cos((Math.PI * step) / last));
    optimiser.apply(grads, () => rate, scale);
    tf.dispose([...grads.values()]);
    const used = process.cpuUsage(before);
    cpu += (used.user + used.system) / 1e6;
    if (!steps.includes(step + 1)) continue;
    const f1 = await boxF1(model, validation, objectSide);
    points.push({ step: step + 1, cpu, f1 });
    console.error(`${form.name}: step ${step + 1}, box F1 ${f1.toFixed(3)}, ${cpu.toFixed(0)} CPU s`);
  }
  const parameters = names.reduce((sum, name) => sum + model.parameters.get(name).size, 0);
  optimiser.dispose();
  model.dispose();
  return { form, parameters, points };
}

const THRESHOLDS = [0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6];

async function boxF1(
  model: CellSam,
  fields: readonly PreparedField[],
  objectSide: number | undefined,
): Promise<number> {
  const segmenter = new CellSegmenter(model, {}, { ...plainThresholds(0.3), sameCell: 0.3, objectSide });
  const sums = THRESHOLDS.map(() => 0);
  for (const field of fields) {
    const { image, truth } = annotated(field);
    const found = await proposals(segmenter, image);
    const known = boxesOf(truth);
    const table = boxIouTable(found.boxes, known);
    const order = [...found.scores.keys()].sort(
      (i, j) => (found.scores[j] as number) - (found.scores[i] as number),
    );
    for (const [k, limit] of THRESHOLDS.entries()) {
      const likely = order.filter((i) => (found.scores[i] as number) > limit);
      const matched = matches(likely, table, known.count);
      sums[k] = (sums[k] as number) + (2 * matched) / Math.max(1, likely.length + known.count);
    }
  }
  return Math.max(...sums) / Math.max(1, fields.length);
}

/** Boxes in falling order of score each take the free object that they overlap most, at IoU 0.5 or more. */
function matches(order: readonly number[], table: Float32Array, objects: number): number {
  const taken = new Uint8Array(objects);
  let count = 0;
  for (const i of order) {
    let [best, at] = [0.5, -1];
    for (let j = 0; j < objects; j++) {
      const iou = table[i * objects + j] as number;
      if (taken[j] === 0 && iou >= best) [best, at] = [iou, j];
    }
    if (at < 0) continue;
    taken[at] = 1;
    count++;
  }
  return count;
}
