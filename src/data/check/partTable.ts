import { areasOf } from '../../image/labels.js';
import type { Sample } from '../sample.js';
import { Tally } from '../tally.js';

/** What one part of a dataset holds. */
export interface PartSummary {
  readonly set: string;
  /** `all` where nothing divides the set. */
  readonly part: string;
  readonly images: number;
  readonly objects: number;
  /** Width x height, the commonest first. */
  readonly sizes: readonly string[];
  /** Names of the channels, one text for each kind of image. */
  readonly channels: readonly string[];
  /** `8`, `16`, or `float` for values that no whole number of bits explains. */
  readonly bits: readonly string[];
  /** Object areas in px at 5, 25, 50, 75 and 95 percent (of boxes, where there are no masks); absent without objects. */
  readonly areas?: readonly number[];
}

export const PERCENTILES = [0.05, 0.25, 0.5, 0.75, 0.95] as const;

/** Gathers the figures of a part, sample by sample. */
export class PartTable {
  readonly #tally = new Tally();
  readonly #sizes = new Map<string, number>();
  readonly #channels = new Set<string>();
  readonly #bits = new Set<string>();
  readonly #areas: number[] = [];

  add(sample: Sample): void {
    const { image, instances } = sample;
    this.#tally.add(sample);
    const size = `${image.width}x${image.height}`;
    this.#sizes.set(size, (this.#sizes.get(size) ?? 0) + 1);
    this.#channels.add(image.channels.join('+'));
    this.#bits.add(bitsOf(image.range));
    if (instances.kind === 'labels') for (const area of areasOf(instances.labels)) this.#areas.push(area);
    if (instances.kind === 'boxes') this.#areas.push(...boxAreas(instances.boxes.xyxy));
  }

  summary(set: string, part: string): PartSummary {
    const areas = Float64Array.from(this.#areas).sort();
    const bySize = [...this.#sizes].sort(([, a], [, b]) => b - a).map(([size]) => size);
    const found = {
      set,
      part,
      images: this.#tally.images,
      objects: this.#tally.objects,
      sizes: bySize,
      channels: [...this.#channels].sort(),
      bits: [...this.#bits].sort(),
    };
    if (areas.length === 0) return found;
    return { ...found, areas: PERCENTILES.map((q) => areas[Math.floor(q * (areas.length - 1))] as number) };
  }
}

function bitsOf([low, high]: readonly [number, number]): string {
  if (low === 0 && high === 1) return '1';
  if (low === 0 && high === 255) return '8';
  if ((low === 0 && high === 65535) || (low === -32768 && high === 32767)) return '16';
  return 'float';
}

const boxAreas = (xyxy: Float32Array): number[] =>
  Array.from({ length: xyxy.length / 4 }, (_, i) => {
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = xyxy.subarray(4 * i, 4 * i + 4);
    return Math.round((x1 - x0) * (y1 - y0));
  });
