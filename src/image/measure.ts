import { areasOf, boxesOf } from './labels.js';
import type { LabelImage, PixelImage } from './types.js';

/** What is measured of one cell; lengths in pixels unless named otherwise. */
export interface Measurement {
  readonly label: number;
  /** Mean of the pixel centres; the centre of the first pixel is (0.5, 0.5). */
  readonly x: number;
  readonly y: number;
  readonly areaPx: number;
  /** Absent where the pixel size is unknown. */
  readonly areaUm2?: number;
  readonly box: readonly [x0: number, y0: number, x1: number, y1: number];
  /** Length of the line through the centres of border pixels (Benkrid and Crookes; scikit-image's `perimeter`). */
  readonly perimeter: number;
  /** Of the ellipse with the same second moments: 0 circle .. 1 line. */
  readonly eccentricity: number;
  /** For each channel of the image. */
  readonly mean: readonly number[];
  readonly max: readonly number[];
}

/** Measures every cell; ids without pixels are left out. Intensities only where an image of the same size is given. */
export function measure(
  labels: LabelImage,
  image?: PixelImage,
  pixelSizeUm: readonly [y: number, x: number] | undefined = image?.pixelSizeUm,
): Measurement[] {
  const areas = areasOf(labels);
  const boxes = boxesOf(labels);
  const shapes = momentsOf(labels);
  const lengths = perimetersOf(labels);
  const [means, maxima] = intensitiesOf(labels, image, areas);
  const channels = image?.channels.length ?? 0;
  const out: Measurement[] = [];
  for (let i = 0; i < labels.count; i++) {
    const areaPx = areas[i] as number;
    if (areaPx === 0) continue;
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = boxes.xyxy.subarray(i * 4, i * 4 + 4);
    const [sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0] = shapes.subarray(i * 5, i * 5 + 5);
    const [mx, my] = [sx / areaPx, sy / areaPx];
    out.push({
      label: i + 1,
      x: mx + x0 + 0.5,
      y: my + y0 + 0.5,
      areaPx,
      ...(pixelSizeUm === undefined ? {} : { areaUm2: areaPx * pixelSizeUm[0] * pixelSizeUm[1] }),
      box: [x0, y0, x1, y1],
      perimeter: lengths[i] as number,
      eccentricity: eccentricityOf(sxx / areaPx - mx * mx, syy / areaPx - my * my, sxy / areaPx - mx * my),
      mean: [...means.subarray(i * channels, (i + 1) * channels)],
      max: [...maxima.subarray(i * channels, (i + 1) * channels)],
    });
  }
  return out;
}

/** Sums of x, y, x², y², xy from each object's box corner: `[count, 5]`. */
function momentsOf(labels: LabelImage): Float64Array {
  const { xyxy } = boxesOf(labels);
  const sums = new Float64Array(labels.count * 5);
  for (let row = 0, i = 0; row < labels.height; row++) {
    for (let column = 0; column < labels.width; column++, i++) {
      const label = labels.data[i] as number;
      if (label === 0) continue;
      const x = column - (xyxy[label * 4 - 4] as number);
      const y = row - (xyxy[label * 4 - 3] as number);
      const k = label * 5 - 5;
      sums[k] = (sums[k] as number) + x;
      sums[k + 1] = (sums[k + 1] as number) + y;
      sums[k + 2] = (sums[k + 2] as number) + x * x;
      sums[k + 3] = (sums[k + 3] as number) + y * y;
      sums[k + 4] = (sums[k + 4] as number) + x * y;
    }
  }
  return sums;
}

/** From the covariance of the pixel positions. */
function eccentricityOf(xx: number, yy: number, xy: number): number {
  const middle = (xx + yy) / 2;
  const half = Math.sqrt(((xx - yy) / 2) ** 2 + xy * xy);
  const [major, minor] = [middle + half, Math.max(0, middle - half)];
  return major === 0 ? 0 : Math.sqrt(1 - minor / major);
}

const diagonal = Math.SQRT2;
const bent = (1 + Math.SQRT2) / 2;
const lengthOfCode = new Map([
  ...[5, 7, 15, 17, 25, 27].map((code): [number, number] => [code, 1]),
  ...[21, 33].map((code): [number, number] => [code, diagonal]),
  ...[13, 23].map((code): [number, number] => [code, bent]),
]);

/** Border pixels weighted by their border neighbours in the same object: 2 over an edge, 10 over a corner. */
function perimetersOf(labels: LabelImage): Float64Array {
  const { height, width, data } = labels;
  const isBorder = new Uint8Array(data.length);
  const at = (x: number, y: number): number =>
    x < 0 || y < 0 || x >= width || y >= height ? 0 : y * width + x;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const label = data[i] as number;
      if (label === 0) continue;
      const isEdge = x === 0 || y === 0 || x === width - 1 || y === height - 1;
      const differs =
        data[i - 1] !== label ||
        data[i + 1] !== label ||
        data[i - width] !== label ||
        data[i + width] !== label;
      if (isEdge || differs) isBorder[i] = 1;
    }
  }
  const lengths = new Float64Array(labels.count);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (isBorder[i] === 0) continue;
      const label = data[i] as number;
      let code = 1;
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          if ((dx === 0 && dy === 0) || x + dx < 0 || y + dy < 0 || x + dx >= width || y + dy >= height)
            continue;
          const k = at(x + dx, y + dy);
          if (isBorder[k] === 1 && data[k] === label) code += dx !== 0 && dy !== 0 ? 10 : 2;
        }
      }
      lengths[label - 1] = (lengths[label - 1] as number) + (lengthOfCode.get(code) ?? 0);
    }
  }
  return lengths;
}

/** Mean and largest value, `[count, channels]` each. */
function intensitiesOf(
  labels: LabelImage,
  image: PixelImage | undefined,
  areas: Uint32Array,
): [Float64Array, Float64Array] {
  const channels = image?.channels.length ?? 0;
  const means = new Float64Array(labels.count * channels);
  const maxima = new Float64Array(labels.count * channels).fill(Number.NEGATIVE_INFINITY);
  if (image === undefined) return [means, maxima];
  for (let i = 0; i < labels.data.length; i++) {
    const label = labels.data[i] as number;
    if (label === 0) continue;
    const k = (label - 1) * channels;
    for (let c = 0; c < channels; c++) {
      const value = image.data[i * channels + c] as number;
      means[k + c] = (means[k + c] as number) + value;
      if (value > (maxima[k + c] as number)) maxima[k + c] = value;
    }
  }
  for (let i = 0; i < means.length; i++)
    means[i] = (means[i] as number) / Math.max(1, areas[Math.floor(i / channels)] as number);
  return [means, maxima];
}
