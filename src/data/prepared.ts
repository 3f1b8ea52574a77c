import { brightCells, inChannelOrder } from '../image/channels.js';
import { boxesOf } from '../image/labels.js';
import { normalise } from '../image/normalise.js';
import type { Boxes, LabelImage, PixelImage } from '../image/types.js';
import type { Sample } from './sample.js';
import { stretched } from './transforms/stretch.js';

/** Pixels with their annotation, on the way from a field to a training view. */
export interface Patch {
  readonly height: number;
  readonly width: number;
  /** 1 to 3: the last is the whole-cell channel, the one before it the nuclear one. */
  readonly channels: number;
  /** `[H, W, C]`, 0..1. */
  readonly values: Float32Array;
  /** Empty where only boxes are known. */
  readonly labels: LabelImage;
  /** All objects, where the source has no masks. */
  readonly boxesOnly?: Boxes;
}

/** A field of view ready to be cut; kept in memory over the epochs. */
export interface PreparedField extends Patch {
  readonly id: string;
  /** Of its sample: see `Source.contentHash`. */
  readonly contentHash: string;
  /** Of all its objects. */
  readonly boxes: Boxes;
  /** Median over objects of the root of the box's area in px; 0 without objects. */
  readonly objectSide: number;
  /** True for stained and bright-field images, whose grey values were turned over. */
  readonly wasInverted: boolean;
}

/**
 * How values are brought to 0..1: `percentile` as small models are trained (cells bright, each channel stretched between
 * its 0.5 and 99.8 percentiles), `cellsam` as CellSAM's own pipeline (bright spots, CLAHE).
 */
export type Preprocess = 'percentile' | 'cellsam';

/** The fields of samples that have masks; others are skipped. */
export function prepareFields(
  samples: readonly Sample[],
  preprocess: Preprocess = 'percentile',
): PreparedField[] {
  return samples
    .filter(({ instances }) => instances.kind === 'labels')
    .map((sample) => prepareField(sample, preprocess) as PreparedField);
}

/** Undefined for a sample that cannot train: points, or no annotation at all. */
export function prepareField(sample: Sample, preprocess: Preprocess): PreparedField | undefined {
  const { id, instances } = sample;
  if (instances.kind === 'points' || instances.kind === 'none') return undefined;
  const image = inChannelOrder(sample.image);
  const { height, width } = image;
  const seen = preprocess === 'percentile' ? brightCells(image) : { image, wasInverted: false };
  const channels = Math.min(3, seen.image.channels.length);
  const values = preprocess === 'percentile' ? stretched(seen.image) : equalised(image, channels);
  const boxes = instances.kind === 'boxes' ? instances.boxes : boxesOf(instances.labels);
  const { wasInverted } = seen;
  const field = {
    id,
    contentHash: sample.source.contentHash,
    height,
    width,
    channels,
    values,
    boxes,
    wasInverted,
    objectSide: medianSide(boxes),
  };
  return instances.kind === 'labels'
    ? { ...field, labels: instances.labels }
    : {
        ...field,
        boxesOnly: boxes,
        labels: { height, width, data: new Uint32Array(height * width), count: 0 },
      };
}

/** CellSAM's three channels, without the empty ones before the first. */
function equalised(image: PixelImage, channels: number): Float32Array {
  const { data } = normalise(image.data, [image.height, image.width, image.channels.length]);
  const values = new Float32Array(image.height * image.width * channels);
  for (let i = 0, o = 0; o < values.length; i += 3)
    for (let c = 3 - channels; c < 3; c++) values[o++] = data[i + c] as number;
  return values;
}

function medianSide({ xyxy, count }: Boxes): number {
  const sides = Float64Array.from({ length: count }, (_, i) => {
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = xyxy.subarray(4 * i, 4 * i + 4);
    return Math.sqrt((x1 - x0) * (y1 - y0));
  }).sort();
  return sides[sides.length >> 1] ?? 0;
}

/** Names of the channels of a prepared field, in the project's order. */
export function channelNames(channels: number): readonly string[] {
  return ['extra', 'nuclear', 'whole-cell'].slice(3 - channels);
}
