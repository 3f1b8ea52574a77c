import { hearSignals, type JobContext } from '../core/events.js';
import { f1AtHalf } from '../evaluate/metrics/metrics.js';
import { annotated } from '../evaluate/scoreFields.js';
import type { LabelImage, PixelImage } from '../image/types.js';
import type { CellSam } from '../models/cellsam.js';
import { CellSegmenter } from '../segment/cellSegmenter.js';
import type { Thresholds } from '../segment/thresholds.js';
import type { AnnotatedField } from './annotated.js';

/** Images that nobody has annotated yet, the most helpful first. */
export interface Helpful {
  readonly images: readonly {
    readonly id: string;
    /** 1 - F1 between the cells found in the image and in its mirror image: how unsure the model is. */
    readonly disagreement: number;
    /** F1 against the truth, which the choice does not see; to judge it by. */
    readonly f1: number;
  }[];
  /** Rank correlation (Spearman) of disagreement and 1 - F1 over these images; null with fewer than three. */
  readonly correlation: number | null;
}

/** More images than this are not looked at. */
const LOOKED_AT = 12;

/**
 * Which images would help most if they were annotated: those of which the model gives two answers when they are shown as they
 * are and mirrored. No annotation is used for the order.
 */
export async function mostHelpful(
  model: CellSam,
  thresholds: Thresholds,
  fields: readonly AnnotatedField[],
  context: JobContext,
): Promise<Helpful> {
  const segmenter = new CellSegmenter(model, {}, thresholds);
  const images: Helpful['images'][number][] = [];
  for (const field of fields.slice(0, LOOKED_AT)) {
    await hearSignals(context.signal);
    const { image, truth } = annotated(field);
    const found = (await segmenter.segment(image)).labels;
    const other = (await segmenter.segment(mirrored(image))).labels;
    const disagreement = 1 - f1AtHalf(found, mirroredLabels(other));
    images.push({ id: field.id, disagreement, f1: f1AtHalf(truth, found) });
  }
  const correlation =
    images.length < 3
      ? null
      : rankCorrelation(
          images.map((i) => i.disagreement),
          images.map((i) => 1 - i.f1),
        );
  return { images: images.sort((a, b) => b.disagreement - a.disagreement), correlation };
}

function mirrored(image: PixelImage): PixelImage {
  const count = image.channels.length;
  const data = image.data.map((_, k) => {
    const [pixel, channel] = [Math.floor(k / count), k % count];
    return image.data[mirrorOf(pixel, image.width) * count + channel] as number;
  });
  return { ...image, data };
}

function mirroredLabels(labels: LabelImage): LabelImage {
  return { ...labels, data: labels.data.map((_, i) => labels.data[mirrorOf(i, labels.width)] as number) };
}

const mirrorOf = (i: number, width: number): number => i - (i % width) + (width - 1 - (i % width));

/** Spearman's: Pearson's of the ranks, equal values with the mean of theirs. 0 where one side is constant. */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [ranks(a), ranks(b)];
  const middle = (a.length - 1) / 2;
  let [xy, xx, yy] = [0, 0, 0];
  for (const [i, rank] of x.entries()) {
    const [u, v] = [rank - middle, (y[i] as number) - middle];
    xy += u * v;
    xx += u * u;
    yy += v * v;
  }
  return xx === 0 || yy === 0 ? 0 : xy / Math.sqrt(xx * yy);
}

function ranks(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((v) => v < value).length;
    const equal = values.filter((v) => v === value).length;
    return below + (equal - 1) / 2;
  });
}
