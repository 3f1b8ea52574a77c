import { DataError } from '../core/errors.js';
import { sha256 } from '../core/hash.js';
import type { LabelImage, PixelImage } from '../image/types.js';
import { decodeFile, type RawImage } from '../io/decode.js';
import type { Sample } from './sample.js';

/** Reads an image file: alpha is dropped, equal colours are one grey channel, pages become channels. */
export async function readPixelImage(path: string): Promise<PixelImage> {
  return toPixelImage(await decodeFile(path), path);
}

/** @throws DataError for a volume or a value that is not a number */
export function toPixelImage(raw: RawImage, path: string): PixelImage {
  const isStack = raw.shape.length === 4;
  const [height = 0, width = 0, samples = 1] = isStack ? raw.shape.slice(1) : raw.shape;
  if (raw.shape.length > 4 || (isStack && samples !== 1))
    throw new DataError(`${path} has the shape ${raw.shape.join(' x ')}; an image is expected`, {
      where: path,
    });
  const pixels = height * width;
  const found = isStack ? (raw.shape[0] as number) : samples;
  const value = (i: number, c: number): number =>
    (isStack ? raw.data[c * pixels + i] : raw.data[i * found + c]) as number;
  const colours = !isStack && (found === 4 || found === 2) ? found - 1 : found;
  const isGrey = colours === 1 || (colours === 3 && allEqual(pixels, value));
  const kept = isGrey ? 1 : colours;
  const data = new Float32Array(pixels * kept);
  for (let i = 0; i < pixels; i++) for (let c = 0; c < kept; c++) data[i * kept + c] = value(i, c);
  if (data.some((v) => !Number.isFinite(v)))
    throw new DataError(`${path} has pixels that are not finite numbers`, {
      where: path,
      fix: 'replace NaN and infinite values before training',
    });
  return { height, width, channels: namesOf(kept, isStack), data, range: raw.range };
}

function allEqual(pixels: number, value: (i: number, c: number) => number): boolean {
  for (let i = 0; i < pixels; i++)
    if (value(i, 0) !== value(i, 1) || value(i, 0) !== value(i, 2)) return false;
  return true;
}

function namesOf(count: number, isStack: boolean): readonly string[] {
  if (count === 1) return ['whole-cell'];
  if (count === 3 && !isStack) return ['red', 'green', 'blue'];
  return Array.from({ length: count }, (_, i) => `channel-${i + 1}`);
}

/** A mask's first sample of each pixel. @throws DataError for stacks, sizes that differ and values that are no ids */
export async function readIds(path: string, image: PixelImage): Promise<Uint32Array> {
  const { shape, data } = await decodeFile(path);
  const [height = 0, width = 0, samples = 1] = shape;
  if (shape.length > 3)
    throw new DataError(`${path} has the shape ${shape.join(' x ')}; one mask is expected`, { where: path });
  if (height !== image.height || width !== image.width)
    throw new DataError(`${path} is ${width} x ${height}, its image ${image.width} x ${image.height}`, {
      where: path,
    });
  const ids = new Uint32Array(height * width);
  for (let i = 0; i < ids.length; i++) {
    const id = data[i * samples] as number;
    if (!Number.isInteger(id) || id < 0)
      throw new DataError(`${path} has the value ${id}, which is no object id`, {
        where: path,
        fix: 'save labels as whole numbers from 0',
      });
    ids[i] = id;
  }
  return ids;
}

/** One sample with masks. */
export function labelSample(
  dataset: string,
  ref: { readonly id: string; readonly files: readonly string[] },
  image: PixelImage,
  labels: LabelImage,
): Sample {
  return {
    id: ref.id,
    image,
    instances: { kind: 'labels', labels },
    objectCount: labels.count,
    warnings: [],
    source: {
      dataset,
      files: ref.files,
      contentHash: sha256(`${image.height}x${image.width}`, image.data),
    },
  };
}
