import type { Random } from '../../core/random.js';
import { type CellShape, eachPixel, type Population } from './cells.js';

/** How a kind of microscopy looks. Values are in 0..1 before noise. */
export interface Modality {
  readonly about: string;
  readonly population: Population;
  /** Colour images have three planes. */
  readonly channels: readonly string[];
  /** Paints cells into one plane for each channel; planes start at `background`. */
  readonly background: readonly number[];
  paint(planes: readonly Float32Array[], cell: CellShape, side: number, random: Random): void;
  /** Standard deviation of the point-spread function in px. */
  readonly blur: number;
  /** Photons at value 1: fewer give more shot noise. */
  readonly photons: number;
}

const plane = (planes: readonly Float32Array[], c: number): Float32Array => planes[c] as Float32Array;

/** Kinds of microscopy that `cellsam simulate` can draw. */
export const MODALITIES: Readonly<Record<string, Modality>> = {
  fluorescence: {
    about: 'fluorescent nuclei of very different brightness, out-of-focus haze',
    population: { density: 14, radius: [5, 13], elongation: [1, 1.7], overlap: 0.12, clustering: 0.6 },
    channels: ['whole-cell'],
    background: [0.05],
    blur: 1.1,
    photons: 160,
    paint: (planes, cell, side, random) => {
      const brightness = 0.12 + 0.8 * random.uniform() ** 2;
      const texture = random.uniform(0, 100);
      eachPixel(cell, side, (i, depth) => {
        const grain =
          0.85 + 0.15 * Math.sin((i % side) * 0.9 + texture) * Math.sin(Math.floor(i / side) * 0.8 + texture);
        const p = plane(planes, 0);
        p[i] = (p[i] as number) + brightness * grain * Math.min(1, 0.5 + 1.6 * depth);
      });
    },
  },
  phase: {
    about: 'phase contrast: cells as grey as the ground, with a dark rim, granules and a bright halo',
    population: { density: 9, radius: [8, 16], elongation: [1, 2.2], overlap: 0.06, clustering: 0.7 },
    channels: ['whole-cell'],
    background: [0.5],
    blur: 0.9,
    photons: 400,
    paint: (planes, cell, side, random) => {
      const contrast = random.uniform(0.12, 0.32);
      const inside = 0.5 - contrast * random.uniform(-0.1, 0.4); // some cells are no darker than the ground
      const grain = random.uniform(0, 100);
      const p = plane(planes, 0);
      eachPixel({ ...cell, long: cell.long * 1.18, short: cell.short * 1.18 }, side, (i, depth) => {
        if (depth < 0.16) p[i] = (p[i] as number) + contrast * 0.7;
      });
      eachPixel(cell, side, (i, depth) => {
        const rim = Math.max(0, 1 - Math.abs(depth - 0.12) / 0.14);
        const [x, y] = [i % side, Math.floor(i / side)];
        const granules = Math.sin(x * 0.8 + grain) * Math.sin(y * 0.7 + grain) * Math.sin((x + y) * 0.45);
        p[i] = inside - contrast * (rim - 0.6 * granules * Math.min(1, 3 * depth));
      });
    },
  },
  rods: {
    about: 'bacterial rods in phase contrast, dark and crowded',
    population: { density: 18, radius: [4, 6.5], elongation: [2.2, 4.2], overlap: 0.05, clustering: 0.75 },
    channels: ['whole-cell'],
    background: [0.62],
    blur: 0.8,
    photons: 400,
    paint: (planes, cell, side, random) => {
      const contrast = random.uniform(0.2, 0.4);
      const p = plane(planes, 0);
      eachPixel(cell, side, (i, depth) => {
        p[i] = (p[i] as number) - contrast * Math.min(1, depth * 2.5);
      });
    },
  },
  stained: {
    about: 'stained tissue in colour: purple nuclei on pink ground',
    population: { density: 12, radius: [5, 11], elongation: [1, 1.9], overlap: 0.1, clustering: 0.55 },
    channels: ['red', 'green', 'blue'],
    background: [0.88, 0.7, 0.82],
    blur: 0.9,
    photons: 600,
    paint: (planes, cell, side, random) => {
      const strength = random.uniform(0.35, 0.9);
      const colour = [0.5, 0.45, 0.25];
      eachPixel(cell, side, (i, depth) => {
        const dye = strength * Math.min(1, 0.4 + 2 * depth) * (0.85 + 0.15 * Math.sin(i * 1.3));
        for (const [c, amount] of colour.entries())
          plane(planes, c)[i] = (plane(planes, c)[i] as number) * (1 - dye * amount);
      });
    },
  },
};
