import { hearSignals } from '../core/events.js';
import { f1AtHalf } from '../evaluate/metrics/metrics.js';
import { segmentWithTrueBoxes } from '../evaluate/parts.js';
import { annotated } from '../evaluate/scoreFields.js';
import type { CellSam } from '../models/cellsam.js';
import { CellSegmenter } from '../segment/cellSegmenter.js';
import type { Thresholds } from '../segment/thresholds.js';
import type { AnnotatedField } from './annotated.js';
import type { AskedOptions, Part } from './options.js';
import { meanOf } from './score.js';

/** Masks in true boxes that reach this mean F1 at IoU 0.5 are good enough: then only the boxes have to be learnt. */
const SUFFICIENT = 0.8;
/** Fields that are looked at. */
const MOST_FIELDS = 5;

export interface ChosenParts {
  readonly parts: Part[];
  /** Mean F1 at IoU 0.5 of the masks in the annotated cells' own boxes; absent where only boxes are annotated. */
  readonly inTrueBoxes?: number;
}

/**
 * What to train where nobody says: the detector, as the paper does, and the mask decoder too where its masks are poor even
 * in the boxes of the annotated cells; a better detector alone would then bring nothing.
 *
 * @throws Interrupted when the signal is raised
 */
export async function chooseParts(
  model: CellSam,
  thresholds: Thresholds,
  fields: readonly AnnotatedField[],
  signal?: AbortSignal,
): Promise<ChosenParts> {
  const withMasks = fields.filter(({ boxesOnly, boxes }) => boxesOnly === undefined && boxes.count > 0);
  if (withMasks.length === 0) return { parts: ['detector'] };
  const segmenter = new CellSegmenter(model, {}, thresholds);
  const scores: number[] = [];
  for (const field of withMasks.slice(0, MOST_FIELDS)) {
    await hearSignals(signal);
    const { image, truth } = annotated(field);
    scores.push(f1AtHalf(truth, (await segmentWithTrueBoxes(segmenter, image, truth)).labels));
  }
  const inTrueBoxes = meanOf(scores);
  return { parts: inTrueBoxes < SUFFICIENT ? ['detector', 'decoder'] : ['detector'], inTrueBoxes };
}

/** The parts that are asked for; where nobody asks for any, nor for adapters, those that `chooseParts` finds. */
export async function partsToTrain(
  { parts, lora }: Pick<AskedOptions, 'parts' | 'lora'>,
  ...how: Parameters<typeof chooseParts>
): Promise<ChosenParts> {
  if (parts !== undefined) return { parts };
  return lora.length > 0 ? { parts: ['detector'] } : chooseParts(...how);
}
