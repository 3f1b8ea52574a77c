import { hearSignals, type JobContext } from '../core/events.js';
import { scoreImage } from '../evaluate/metrics/metrics.js';
import type { LabelImage, PixelImage } from '../image/types.js';
import type { CellSegmenter } from '../segment/cellSegmenter.js';
import type { OnnxOptions } from '../segment/engines/onnx.js';
import { openOnnx } from '../segment/loadCellSam.js';

/** How much the cells that exported files find are those of the live model. */
export interface Agreement {
  readonly precision: NonNullable<OnnxOptions['precision']>;
  readonly images: number;
  /** Cells of all images. */
  readonly live: number;
  readonly exported: number;
  /** Mean over images of F1 at an IoU of 0.5, the live model's cells in the place of the truth. */
  readonly meanF1: number;
  /** Mean IoU of matched cells. */
  readonly meanIou: number;
  /** Median of an image, in the order live, exported. */
  readonly seconds: readonly [live: number, exported: number];
}

/**
 * Segments images with the live model and with exported files of each precision.
 *
 * @param folder what `export --to onnx` wrote
 */
export async function agreementOf(
  live: CellSegmenter,
  folder: string,
  images: readonly PixelImage[],
  wanted: readonly Agreement['precision'][],
  { signal }: Pick<JobContext, 'signal'> = {},
): Promise<Agreement[]> {
  const truth = await labelsOf(live, images, signal);
  const found: Agreement[] = [];
  for (const precision of wanted) {
    const exported = await openOnnx(folder, { precision });
    try {
      const own = await labelsOf(exported, images, signal);
      const scores = images.map(
        (_, i) =>
          scoreImage(truth[i]?.labels as LabelImage, own[i]?.labels as LabelImage, [0.5]).thresholds[0],
      );
      const matched = scores.reduce((sum, s) => sum + (s?.tp ?? 0), 0);
      const iou = scores.reduce((sum, s) => sum + (s?.tp ?? 0) * (s?.mean_matched_iou ?? 0), 0);
      found.push({
        precision,
        images: images.length,
        live: cellsIn(truth),
        exported: cellsIn(own),
        meanF1: scores.reduce((sum, s) => sum + (s?.f1 ?? 0), 0) / images.length,
        meanIou: matched === 0 ? 1 : iou / matched,
        seconds: [median(truth.map((t) => t.seconds)), median(own.map((t) => t.seconds))],
      });
    } finally {
      exported.dispose();
    }
  }
  return found;
}

interface Segmented {
  readonly labels: LabelImage;
  readonly seconds: number;
}

async function labelsOf(
  model: CellSegmenter,
  images: readonly PixelImage[],
  signal: AbortSignal | undefined,
): Promise<Segmented[]> {
  const all: Segmented[] = [];
  for (const image of images) {
    await hearSignals(signal);
    const start = performance.now();
    const { labels } = await model.segment(image);
    all.push({ labels, seconds: (performance.now() - start) / 1000 });
  }
  return all;
}

const cellsIn = (all: readonly Segmented[]): number => all.reduce((sum, { labels }) => sum + labels.count, 0);

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
