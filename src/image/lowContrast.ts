import { clahe } from './clahe.js';
import { percentile, type ThreeChannels } from './normalise.js';

export interface LowContrast {
  /** Median and standard deviation of the changes that CLAHE makes. */
  readonly median: number;
  readonly std: number;
  readonly isLow: boolean;
  readonly enhanced: ThreeChannels;
  /** The box threshold that belongs to the result. */
  readonly boxThreshold: number;
}

/**
 * CellSAM's low-contrast enhancement: an image that CLAHE changes by 0.05 to 0.1 in the median is equalised, with
 * settings by how evenly the changes are spread, and darkened by a gamma.
 *
 * @param image `[H, W, 3]` in 0..1
 */
export function enhanceLowContrast(image: ThreeChannels): LowContrast {
  const probe = claheOfValue(image, 256, 0.01);
  const changes = image.data
    .map((value, i) => Math.abs(value - (probe.data[i] as number)))
    .filter((change) => change > 0)
    .sort();
  const median = changes.length === 0 ? 0 : percentile(changes, 0.5);
  const std = deviation(changes);
  if (!(median > 0.05 && median < 0.1))
    return { median, std, isLow: false, enhanced: image, boxThreshold: 0.4 };
  const { kernel, clipLimit, gamma, boxThreshold } = settings(median, std);
  const equalised = claheOfValue(image, kernel, clipLimit);
  const enhanced = { ...image, data: equalised.data.map((value) => value ** gamma) };
  return { median, std, isLow: true, enhanced, boxThreshold };
}

function settings(median: number, std: number) {
  if (std >= 0.05) return { kernel: 256, clipLimit: 0.01, gamma: 2, boxThreshold: 0.4 };
  const isNarrow = std > 0.035 && std < 0.04;
  const clipLimit = median > 0.065 ? (isNarrow ? 0.01 : 0.05) : 0.02;
  return { kernel: 384, clipLimit, gamma: 1.2, boxThreshold: 0.15 };
}

/** CLAHE on the value of HSV: hue and saturation stay, so the three channels grow by one factor; black becomes grey. */
function claheOfValue(image: ThreeChannels, kernel: number, clipLimit: number): ThreeChannels {
  const { height, width, data } = image;
  const values = Float64Array.from({ length: height * width }, (_, i) =>
    Math.max(data[3 * i] as number, data[3 * i + 1] as number, data[3 * i + 2] as number),
  );
  const equalised = clahe(values, height, width, { kernel, clipLimit });
  const out = data.map((channel, i) => {
    const pixel = Math.floor(i / 3);
    const value = values[pixel] as number;
    return (equalised[pixel] as number) * (value === 0 ? 1 : channel / value);
  });
  return { height, width, data: out };
}

function deviation(values: Float64Array): number {
  if (values.length === 0) return 0;
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
}
