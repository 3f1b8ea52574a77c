import type { Random } from '../core/random.js';
import { type Interval, meanWithInterval } from './bootstrap.js';
import type { ScoredImage } from './cases.js';
import type { ThresholdScores } from './metrics/thresholdScores.js';

/** A part of the images, or of the objects, scored on its own; at IoU 0.5. */
export interface Stratum {
  readonly kind: 'modality' | 'objects per megapixel' | 'object size' | 'crowding';
  readonly name: string;
  /** Where images were divided; absent where objects were. */
  readonly images?: number;
  /** True objects. */
  readonly objects: number;
  /** Mean over images of F1, where images were divided. */
  readonly f1?: Interval;
  /** `null` where there is nothing to count. */
  readonly recall: number | null;
  /** Only where found objects can be divided in the same way. */
  readonly precision: number | null;
}

/** All strata that say something: those that divide what was scored into at least two parts. */
export function strata(images: readonly ScoredImage[], random: Random): Stratum[] {
  return [
    ...ofImages('modality', images, ({ group }) => group ?? 'unknown', random),
    ...byDensity(images, random),
    ...bySize(images),
    ...byCrowding(images),
  ];
}

function ofImages(
  kind: Stratum['kind'],
  images: readonly ScoredImage[],
  nameOf: (image: ScoredImage) => string,
  random: Random,
): Stratum[] {
  const names = [...new Set(images.map(nameOf))];
  if (names.length < 2) return [];
  return names.map((name) => {
    const own = images.filter((image) => nameOf(image) === name);
    const counts = own.map(({ scores }) => scores.thresholds[0] as ThresholdScores);
    const sum = (field: 'tp' | 'fp' | 'fn') => counts.reduce((total, c) => total + c[field], 0);
    const [tp, fp, fn] = [sum('tp'), sum('fp'), sum('fn')];
    return {
      kind,
      name,
      images: own.length,
      objects: tp + fn,
      f1: meanWithInterval(
        counts.map((c) => c.f1),
        random.split(`${kind}/${name}`),
      ),
      recall: share(tp, tp + fn),
      precision: share(tp, tp + fp),
    };
  });
}

function byDensity(images: readonly ScoredImage[], random: Random): Stratum[] {
  const density = ({ scores, pixels }: ScoredImage) => (1e6 * scores.n_true) / pixels;
  const [low, high] = thirds(images.map(density));
  const names = [
    `up to ${low.toFixed(0)}`,
    `${low.toFixed(0)} to ${high.toFixed(0)}`,
    `above ${high.toFixed(0)}`,
  ];
  const sorted = [...images].sort((a, b) => density(a) - density(b));
  return ofImages(
    'objects per megapixel',
    sorted,
    (image) => names[third(density(image), low, high)] as string,
    random,
  );
}

function bySize(images: readonly ScoredImage[]): Stratum[] {
  const [low, high] = thirds(images.flatMap(({ objects }) => [...objects.trueAreas]));
  if (!(high > low)) return [];
  const counts = [0, 1, 2].map(() => ({ real: 0, hit: 0, found: 0, right: 0 }));
  const at = (area: number) => counts[third(area, low, high)] as (typeof counts)[number];
  for (const { objects } of images) {
    for (const [i, area] of objects.trueAreas.entries()) {
      at(area).real++;
      if ((objects.trueIou[i] as number) > 0) at(area).hit++;
    }
    for (const [i, area] of objects.foundAreas.entries()) {
      at(area).found++;
      if ((objects.foundIou[i] as number) > 0) at(area).right++;
    }
  }
  const names = [`up to ${low} px`, `${low} to ${high} px`, `above ${high} px`];
  return counts.map(({ real, hit, found, right }, i) => ({
    kind: 'object size',
    name: names[i] as string,
    objects: real,
    recall: share(hit, real),
    precision: share(right, found),
  }));
}

function byCrowding(images: readonly ScoredImage[]): Stratum[] {
  const parts = [0, 1].map((crowded) => {
    let [real, hit] = [0, 0];
    for (const { objects } of images) {
      for (const [i, isCrowded] of objects.isCrowded.entries()) {
        if (isCrowded !== crowded) continue;
        real++;
        if ((objects.trueIou[i] as number) > 0) hit++;
      }
    }
    const name = crowded === 1 ? 'another object within 2 px' : 'alone';
    return { kind: 'crowding' as const, name, objects: real, recall: share(hit, real), precision: null };
  });
  return parts.every(({ objects }) => objects > 0) ? parts : [];
}

const share = (part: number, of: number): number | null => (of === 0 ? null : part / of);

function thirds(values: readonly number[]): readonly [low: number, high: number] {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q: number) => sorted[Math.floor(q * (sorted.length - 1))] ?? 0;
  return [at(1 / 3), at(2 / 3)];
}

const third = (value: number, low: number, high: number): 0 | 1 | 2 =>
  value <= low ? 0 : value <= high ? 1 : 2;
