import { ConfigError } from '../../core/errors.js';
import { sha256 } from '../../core/hash.js';
import { didYouMean } from '../../core/nearest.js';
import { Random } from '../../core/random.js';
import { drawInstances } from '../drawInstances.js';
import type { Sample } from '../sample.js';
import { eachPixel, placeCells } from './cells.js';
import { MODALITIES } from './modalities.js';

export interface SimulateOptions {
  readonly modality: string;
  /** Side of the square field in px. */
  readonly side: number;
  readonly seed: string | number;
}

/**
 * A synthetic field with exact instance masks: cells that touch and overlap, a point-spread function, uneven illumination,
 * debris, shot and read noise. Equal options give equal pixels.
 *
 * @throws ConfigError for an unknown modality
 */
export function simulate(options: SimulateOptions): Sample {
  const { side, seed } = options;
  const modality = MODALITIES[options.modality];
  if (modality === undefined) {
    throw new ConfigError(
      `there is no modality \`${options.modality}\`${didYouMean(options.modality, Object.keys(MODALITIES))}`,
      {
        where: 'modality',
        fix: `choose one of ${Object.keys(MODALITIES).join(', ')}`,
      },
    );
  }
  const random = new Random(seed).split(options.modality);
  const cells = placeCells(side, modality.population, random.split('cells'));
  const planes = modality.background.map((value) => new Float32Array(side * side).fill(value));
  const paintRandom = random.split('paint');
  const debris = placeCells(
    side,
    { ...modality.population, density: 4, radius: [1, 2.5], clustering: 0 },
    random.split('debris'),
  );
  for (const cell of [...debris, ...cells]) modality.paint(planes, cell, side, paintRandom);
  const image = planes.flatMap((plane, c) => [
    photograph(
      plane,
      side,
      modality.blur,
      modality.photons,
      random.split('camera'),
      random.split(`noise${c}`),
    ),
  ]);

  const masks = cells.map((cell) => {
    const pixels: number[] = [];
    eachPixel(cell, side, (i) => pixels.push(i));
    return Uint32Array.from(pixels);
  });
  const visible = masks.filter((pixels) => pixels.length >= 20);
  const drawn = drawInstances(visible, side, side, `simulated ${seed}`);
  const count = planes.length;
  const data = new Float32Array(side * side * count);
  for (const [c, plane] of image.entries())
    for (let i = 0; i < plane.length; i++) data[i * count + c] = plane[i] as number;
  return {
    id: `${options.modality}-${seed}`,
    image: { height: side, width: side, channels: modality.channels, data, range: [0, 255] },
    instances: { kind: 'labels', labels: drawn.labels },
    objectCount: visible.length,
    warnings: [], // drawn objects hide parts of each other by design; there is nothing to mend
    source: {
      dataset: 'simulated',
      files: [],
      licence: 'CC0-1.0',
      contentHash: sha256(`${side}x${side}`, data),
    },
  };
}

/** Blur, haze, uneven light and noise, as whole numbers in 0..255. */
function photograph(
  plane: Float32Array,
  side: number,
  blur: number,
  photons: number,
  camera: Random,
  noise: Random,
): Float32Array {
  const sharp = gaussian(plane, side, blur);
  const haze = gaussian(quartered(plane, side), Math.ceil(side / 4), 3.5);
  const [lightX, lightY] = [camera.uniform(-0.5, 0.5), camera.uniform(-0.5, 0.5)];
  const read = 2.5;
  return sharp.map((value, i) => {
    const [x0, y0] = [i % side, Math.floor(i / side)];
    const [x, y] = [x0 / side - 0.5, y0 / side - 0.5];
    const light = 1 + lightX * x + lightY * y;
    const expected = Math.max(
      0,
      (0.8 * value + 0.2 * (haze[Math.floor(y0 / 4) * Math.ceil(side / 4) + Math.floor(x0 / 4)] as number)) *
        light,
    );
    return Math.min(
      255,
      Math.max(0, Math.round((noise.poisson(expected * photons) / photons) * 200 + noise.normal(4, read))),
    );
  });
}

/** Every fourth pixel of every fourth row: enough for haze, which is smooth. */
function quartered(plane: Float32Array, side: number): Float32Array {
  const few = Math.ceil(side / 4);
  return Float32Array.from(
    { length: few * few },
    (_, i) => plane[Math.floor(i / few) * 4 * side + (i % few) * 4] as number,
  );
}

/** Separable Gaussian blur with edges repeated. */
function gaussian(plane: Float32Array, side: number, sigma: number): Float32Array {
  const radius = Math.ceil(2.5 * sigma);
  const kernel = Float64Array.from({ length: 2 * radius + 1 }, (_, k) =>
    Math.exp(-((k - radius) ** 2) / (2 * sigma * sigma)),
  );
  const total = kernel.reduce((a, b) => a + b, 0);
  const pass = (from: Float32Array, stepX: number, stepY: number) =>
    from.map((_, i) => {
      const x = i % side;
      const y = (i - x) / side;
      let sum = 0;
      for (let k = -radius; k <= radius; k++) {
        const xx = Math.min(side - 1, Math.max(0, x + k * stepX));
        const yy = Math.min(side - 1, Math.max(0, y + k * stepY));
        sum += (kernel[k + radius] as number) * (from[yy * side + xx] as number);
      }
      return sum / total;
    });
  return pass(pass(plane, 1, 0), 0, 1);
}
