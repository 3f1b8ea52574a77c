import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobContext } from '../core/events.js';
import { simulate } from '../data/simulate/simulate.js';
import { f1AtHalf } from '../evaluate/metrics/metrics.js';
import { loadCellSam } from '../segment/loadCellSam.js';
import { shippedModel } from '../weights/shippedModel.js';
import { adaptJob, adaptJobOptions } from './adapt.js';
import { segmentFiles, segmentJob } from './segment.js';
import { simulateFields } from './simulate.js';

/** What the shipped model does with images that nobody has taken yet. */
export interface FirstMinutes {
  /** Cells in the three fluorescence fields, and the seconds that they took together. */
  readonly cells: number;
  readonly seconds: number;
  readonly masks: string;
  /** A kind of microscopy that the shipped model has never seen. */
  readonly modality: string;
  /** Mean F1 at IoU 0.5 on fields that adaptation has not seen. */
  readonly before: number;
  readonly after: number;
  /** Folders with overlays of those fields. */
  readonly overlays: readonly [before: string, after: string];
  /** The annotated images that the model was adapted to. */
  readonly annotated: string;
  readonly model: string;
}

const UNSEEN = 'phase';
const ANNOTATED = 5;
const HELD_OUT = 4;
const SIDE = 256;
const ADAPT_SECONDS = 150;

/** Segments three fluorescence fields with the shipped model, then adapts it to another modality from five images. */
export async function firstMinutes(folder: string, context: JobContext): Promise<FirstMinutes> {
  await rm(folder, { recursive: true, force: true });
  const draw = async (name: string, modality: string, count: number, seed: number) => {
    const out = join(folder, name);
    await simulateFields({ out, modality, count, side: SIDE, seed }, context);
    return {
      out,
      images: Array.from({ length: count }, (_, i) =>
        join(out, `${modality}-${String(i).padStart(4, '0')}`, 'images'),
      ),
    };
  };
  const segment = (model: string, inputs: readonly string[], out: string) =>
    segmentFiles(
      segmentJob.parse({ model, inputs, out, save: ['tiff', 'overlay'], overwrite: true }),
      context,
    );

  context.emit({
    kind: 'stage',
    title: 'Segmenting three fluorescence fields with the model that comes with it',
  });
  const fields = await draw('fields', 'fluorescence', 3, 1);
  const masks = join(folder, 'masks');
  const found = await segment(shippedModel, fields.images, masks);

  context.emit({
    kind: 'stage',
    title: `Adapting it to ${UNSEEN} images, which it has never seen, from ${ANNOTATED} annotated ones`,
  });
  const annotated = await draw('annotated', UNSEEN, ANNOTATED, 2);
  const heldOut = await draw('unseen', UNSEEN, HELD_OUT, 3);
  const job = { folder: annotated.out, out: join(folder, 'adapted'), budgetSeconds: ADAPT_SECONDS };
  const adapted = await adaptJob(adaptJobOptions.parse(job), context);
  const overlays = [join(folder, 'before'), join(folder, 'after')] as const;
  await segment(shippedModel, heldOut.images, overlays[0]);
  await segment(adapted.model, heldOut.images, overlays[1]);
  return {
    cells: found.images.reduce((sum, { cells }) => sum + cells, 0),
    seconds: found.seconds,
    masks,
    modality: UNSEEN,
    before: await meanF1(shippedModel),
    after: await meanF1(adapted.model),
    overlays,
    annotated: annotated.out,
    model: adapted.model,
  };
}

/** On the fields that `heldOut` was written from. */
async function meanF1(path: string): Promise<number> {
  const model = await loadCellSam(path);
  let sum = 0;
  for (let i = 0; i < HELD_OUT; i++) {
    const { image, instances } = simulate({ modality: UNSEEN, side: SIDE, seed: `3/${i}` });
    if (instances.kind === 'labels')
      sum += f1AtHalf(instances.labels, (await model.segment(image)).labels) / HELD_OUT;
  }
  model.dispose();
  return sum;
}
