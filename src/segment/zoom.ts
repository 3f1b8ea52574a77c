import { boxAt } from '../image/boxes.js';
import type { Engine } from './engine.js';
import { frameOf, type Stretch } from './preprocess.js';
import { type ImageSource, planTiles } from './tiles.js';

/** Tiles that are looked at for one magnification, spread evenly. */
const TILES = 2;
/** Images are magnified or reduced by this at most: more magnification only blurs. */
export const MOST_ZOOM = 3;
/** Boxes of at least this score count; the same for all models, so that calibrating a threshold changes no size. */
const SCORE = 0.3;
/** Magnifications nearer to 1 than this are not worth resampling the image. */
const NEAR = 1.15;

/** How far, in natural logarithms, boxes may be from the wanted side before a look says little. */
const RELIABLE = 0.5;

/** What the detector finds at one magnification. */
interface Look {
  readonly zoom: number;
  /** Median root of a box's area in px of the magnified image, 0 without boxes. */
  readonly side: number;
  /** Sum of score times area, as a share of the area that was looked at. */
  readonly cover: number;
}

/**
 * By how much an image is best magnified for a model whose training objects had a median side of `wanted` px. The
 * detector looks at it as it is, at half and at twice its size. Each look estimates the median side; it weighs more when
 * confident boxes cover much (fragments of large cells cover little) and when they are about as large as wanted (there
 * the model is at its best).
 *
 * @param source one channel, cells bright
 * @param options.stretch of the whole image
 * @param options.tiles that each look sees, spread evenly
 */
export async function gaugeZoom(
  engine: Engine,
  source: ImageSource,
  wanted: number,
  options: { readonly stretch: Stretch; readonly tiles?: number },
): Promise<number> {
  const { stretch, tiles = TILES } = options;
  const looks: Look[] = [];
  for (const zoom of [1, 0.5, 2]) looks.push(await lookAt(engine, source, stretch, zoom, tiles));
  const side = sideFrom(looks, wanted);
  return side === undefined ? 1 : zoomOf(side, wanted);
}

/** The weighted geometric mean of what looks say of the median side, in px of the image; undefined without boxes. */
export function sideFrom(looks: readonly Look[], wanted: number): number | undefined {
  const most = Math.max(...looks.map(({ cover }) => cover));
  let [sum, weights] = [0, 0];
  for (const { zoom, side, cover } of looks) {
    if (side === 0) continue;
    const weight = (cover / most) * Math.exp(-((Math.log(side / wanted) / RELIABLE) ** 2)) + 1e-9;
    sum += weight * Math.log(side / zoom);
    weights += weight;
  }
  return weights === 0 ? undefined : Math.exp(sum / weights);
}

/** The magnification for objects of a median side in px. */
export function zoomOf(side: number, wanted: number): number {
  const zoom = Math.min(MOST_ZOOM, Math.max(1 / MOST_ZOOM, wanted / side));
  return zoom < NEAR && zoom > 1 / NEAR ? 1 : zoom;
}

async function lookAt(
  engine: Engine,
  source: ImageSource,
  stretch: Stretch,
  zoom: number,
  count: number,
): Promise<Look> {
  const tile = Math.floor(engine.side / zoom);
  const tiles = planTiles(source.height, source.width, tile, 0).flat();
  const step = Math.max(1, tiles.length / count);
  const sides: number[] = [];
  let [found, seen] = [0, 0];
  for (let i = 0; i < tiles.length; i += step) {
    const part = await source.read(tiles[Math.floor(i)] as (typeof tiles)[number]);
    seen += part.height * part.width;
    const embedding = await engine.encode(frameOf(part, stretch, engine, 'native', zoom).data, 1);
    try {
      const [detection] = await engine.detect(embedding);
      for (let k = 0; detection !== undefined && k < detection.boxes.count; k++) {
        const own = detection.scores[k] as number;
        if (own < SCORE) continue;
        const [x0, y0, x1, y1] = boxAt(detection.boxes, k);
        const area = Math.max(1, (x1 - x0) * (y1 - y0));
        sides.push(Math.sqrt(area));
        found += (own * area) / zoom ** 2;
      }
    } finally {
      engine.release(embedding);
    }
  }
  sides.sort((a, b) => a - b);
  return { zoom, side: sides[sides.length >> 1] ?? 0, cover: found / Math.max(1, seen) };
}
