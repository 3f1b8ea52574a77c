import { z } from 'zod';
import { DataError, reason } from '../core/errors.js';
import type { PixelImage } from '../image/types.js';
import type { Instances, Sample } from './sample.js';

/**
 * A sample as one `tf.train.Example`, so that TensorFlow in any language reads it:
 *
 * | feature | kind | content |
 * |---|---|---|
 * | `image/shape` | int64 | height, width, channels |
 * | `image/dtype`, `image/raw` | bytes | `u1`, `u2` or `f4`, the narrowest that holds every value exactly; little-endian, `[H, W, C]` |
 * | `labels/dtype`, `labels/raw` | bytes | `u2` or `u4`, `[H, W]`; with masks only |
 * | `boxes/raw` | bytes | float32 `[N, 4]` x0, y0, x1, y1; with boxes only |
 * | `points/raw` | bytes | float32 `[N, 2]` x, y; with points only |
 * | `meta` | bytes | JSON: all else of the sample |
 */
const meta = z.object({
  version: z.literal(1),
  id: z.string(),
  kind: z.enum(['labels', 'boxes', 'points', 'none']),
  channels: z.array(z.string()).min(1),
  range: z.tuple([z.number(), z.number()]),
  pixelSizeUm: z.tuple([z.number(), z.number()]).optional(),
  labelCount: z.number().int().nonnegative().optional(),
  classes: z.array(z.string()).optional(),
  objectCount: z.number().int().nonnegative(),
  warnings: z.array(z.string()),
  volume: z.object({ file: z.string(), plane: z.number().int(), ids: z.array(z.number().int()) }).optional(),
  source: z.object({
    dataset: z.string(),
    files: z.array(z.string()),
    licence: z.string().optional(),
    contentHash: z.string(),
  }),
});

interface Feature {
  readonly bytesList?: { readonly value?: readonly Uint8Array[] | null } | null;
  readonly int64List?: { readonly value?: readonly (number | { toNumber(): number })[] | null } | null;
}

/** The bytes of one record. */
export async function encodeSample(sample: Sample): Promise<Uint8Array> {
  const { protos } = await import('tfrecord');
  const { image, instances, volume, ...rest } = sample;
  const pixels = narrowed(image.data);
  const feature: Record<string, object> = {
    'image/shape': { int64List: { value: [image.height, image.width, image.channels.length] } },
    'image/dtype': text(pixels instanceof Uint8Array ? 'u1' : pixels instanceof Uint16Array ? 'u2' : 'f4'),
    'image/raw': raw(pixels),
  };
  if (instances.kind === 'labels') {
    const { data, count } = instances.labels;
    feature['labels/dtype'] = text(count > 65_535 ? 'u4' : 'u2');
    feature['labels/raw'] = raw(count > 65_535 ? data : new Uint16Array(data));
  } else if (instances.kind === 'boxes') feature['boxes/raw'] = raw(instances.boxes.xyxy);
  else if (instances.kind === 'points') feature['points/raw'] = raw(instances.xy);
  feature['meta'] = text(
    JSON.stringify({
      version: 1,
      kind: instances.kind,
      channels: image.channels,
      range: image.range,
      pixelSizeUm: image.pixelSizeUm,
      labelCount: instances.kind === 'labels' ? instances.labels.count : undefined,
      classes: 'classes' in instances ? instances.classes : undefined,
      volume: volume && { ...volume, ids: [...volume.ids] },
      ...rest,
    }),
  );
  return protos.Example.encode({ features: { feature } }).finish();
}

/**
 * The sample of one record; its arrays are its own.
 *
 * @throws DataError when the record is not one of ours
 */
export async function decodeSample(bytes: Uint8Array, where: string): Promise<Sample> {
  const { protos } = await import('tfrecord');
  try {
    const features = (protos.Example.decode(bytes).features?.feature ?? {}) as Record<string, Feature>;
    const told = meta.parse(JSON.parse(new TextDecoder().decode(bytesOf(features, 'meta'))));
    const shape = numbersOf(features, 'image/shape');
    const [height = 0, width = 0, channels = 0] = shape;
    if (!shape.every((n) => Number.isSafeInteger(n) && n > 0) || channels !== told.channels.length)
      throw new Error(`its shape ${shape.join(' x ')} does not fit ${told.channels.length} channels`);
    const { id, objectCount, warnings, source, volume } = told;
    const image = {
      height,
      width,
      channels: told.channels,
      data: new Float32Array(arrayOf(features, 'image', height * width * channels)), // `from` walks an iterator
      range: told.range,
      ...(told.pixelSizeUm && { pixelSizeUm: told.pixelSizeUm }),
    };
    const instances = instancesOf(features, told, image);
    const { licence, ...plain } = source;
    return {
      id,
      image,
      instances,
      objectCount,
      warnings,
      ...(volume && { volume: { ...volume, ids: Uint32Array.from(volume.ids) } }),
      source: { ...plain, ...(licence !== undefined && { licence }) },
    };
  } catch (thrown) {
    throw new DataError(`${where} is no record of a sample: ${reason(thrown)}`, {
      where,
      fix: 'make the shard again with `cellsam prepare`',
      cause: thrown,
    });
  }
}

function instancesOf(
  features: Readonly<Record<string, Feature>>,
  told: z.infer<typeof meta>,
  { height, width }: PixelImage,
): Instances {
  const classes = told.classes && { classes: told.classes };
  switch (told.kind) {
    case 'labels': {
      const data = new Uint32Array(arrayOf(features, 'labels', height * width));
      const count = told.labelCount ?? 0;
      if (data.some((id) => id > count)) throw new Error(`a label is above the count ${count}`);
      return { kind: 'labels', labels: { height, width, data, count } };
    }
    case 'boxes': {
      const xyxy = floats(bytesOf(features, 'boxes/raw'));
      if (xyxy.length % 4 !== 0) throw new Error('a box is cut short');
      return { kind: 'boxes', boxes: { count: xyxy.length / 4, xyxy }, ...classes };
    }
    case 'points':
      return { kind: 'points', xy: floats(bytesOf(features, 'points/raw')), ...classes };
    case 'none':
      return { kind: 'none' };
  }
}

/** The narrowest array that holds the values exactly. */
function narrowed(data: Float32Array): Uint8Array | Uint16Array | Float32Array {
  let high = 0;
  for (const value of data) {
    if (!(value >= 0 && value <= 65_535) || value !== Math.trunc(value)) return data;
    if (value > high) high = value;
  }
  return high <= 255 ? new Uint8Array(data) : new Uint16Array(data);
}

const text = (value: string): object => ({ bytesList: { value: [Buffer.from(value)] } });

const raw = (array: ArrayBufferView): object => ({
  bytesList: { value: [new Uint8Array(array.buffer, array.byteOffset, array.byteLength)] },
});

function bytesOf(features: Readonly<Record<string, Feature>>, name: string): Uint8Array {
  const value = features[name]?.bytesList?.value?.[0];
  if (value === undefined) throw new Error(`the feature ${name} is missing`);
  return value;
}

function numbersOf(features: Readonly<Record<string, Feature>>, name: string): number[] {
  const values = features[name]?.int64List?.value ?? [];
  return values.map((value) => (typeof value === 'number' ? value : value.toNumber()));
}

function arrayOf(
  features: Readonly<Record<string, Feature>>,
  name: 'image' | 'labels',
  count: number,
): ArrayLike<number> {
  const dtype = new TextDecoder().decode(bytesOf(features, `${name}/dtype`));
  const own = new Uint8Array(bytesOf(features, `${name}/raw`)); // aligned, and not a view of the whole record
  const Type = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array }[dtype];
  if (Type === undefined) throw new Error(`${name}/dtype is ${dtype}`);
  if (own.length !== count * Type.BYTES_PER_ELEMENT)
    throw new Error(`${name}/raw has ${own.length} bytes for ${count} values of ${dtype}`);
  return new Type(own.buffer);
}

const floats = (bytes: Uint8Array): Float32Array => new Float32Array(new Uint8Array(bytes).buffer);
