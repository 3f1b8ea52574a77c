import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { checkSize, type RawImage, rangeOf, readingOf } from './raw.js';

interface Multiscale {
  readonly axes?: readonly (string | { readonly name: string; readonly unit?: string })[];
  readonly datasets: readonly {
    readonly path: string;
    readonly coordinateTransformations?: readonly {
      readonly type: string;
      readonly scale?: readonly number[];
    }[];
  }[];
}
interface Attributes {
  readonly multiscales?: readonly Multiscale[];
  readonly omero?: { readonly channels?: readonly { readonly label?: string }[] };
  readonly labels?: readonly string[];
  readonly ome?: Attributes;
}

const MICROMETRES: Readonly<Record<string, number>> = { micrometer: 1, nanometer: 1e-3, millimeter: 1e3 };
const METADATA = ['zarr.json', '.zgroup', '.zarray'];

/** True for a folder that is a Zarr group or array. */
export async function isZarr(path: string): Promise<boolean> {
  const found = await Promise.all(METADATA.map((name) => stat(join(path, name)).catch(() => undefined)));
  return found.some((file) => file?.isFile());
}

/** The names of the label images in an OME-Zarr folder, as its `labels` group lists them. */
export async function labelsOf(path: string): Promise<readonly string[]> {
  const attributes = await attributesOf(join(path, 'labels'));
  return attributes.labels ?? [];
}

/**
 * Reads the full-size array of an OME-Zarr image or label image (0.4 and 0.5; Zarr 2 and 3), or a bare Zarr array.
 *
 * @param path the folder of the image, `x.zarr/labels/<name>` for labels, or of an array
 * @throws DataError naming the folder
 */
export function readZarr(path: string): Promise<RawImage> {
  return readingOf(path, 'write it again with ome-zarr, or save the image as TIFF', async () => {
    const { open, root, get } = await import('zarrita');
    const { FileSystemStore } = await import('@zarrita/storage');
    const attributes = await attributesOf(path);
    const multiscale = attributes.multiscales?.[0];
    const level = multiscale?.datasets[0];
    const folder = resolve(level === undefined ? path : inside(path, level.path));
    const array = await open(root(new FileSystemStore(folder)), { kind: 'array' });
    checkSize(array.shape, path);
    checkSize(array.chunks, path);
    const { data, shape } = await get(array);
    if (!ArrayBuffer.isView(data)) throw new Error(`its number type ${array.dtype} is not read`);
    const values = (data instanceof BigInt64Array || data instanceof BigUint64Array
      ? Float64Array.from(data, Number)
      : data) as unknown as ArrayLike<number>;
    const axes = multiscale?.axes?.map((axis) => (typeof axis === 'string' ? axis : axis.name)).join('');
    if (axes !== undefined && (axes.length !== shape.length || !/^[tczyx]+$/.test(axes)))
      throw new Error(`its axes ${axes} do not fit its ${shape.length} dimensions`);
    const names = attributes.omero?.channels?.map((channel) => channel.label ?? '') ?? [];
    const hasNames = names.length === shape[axes?.indexOf('c') ?? -1] && names.every((name) => name !== '');
    return {
      shape,
      axes: axes ?? 'tczyx'.slice(-shape.length),
      data: values,
      range: rangeOf(values),
      ...(hasNames && { channels: names }),
      ...pixelSizeOf(multiscale),
    };
  });
}

async function attributesOf(path: string): Promise<Attributes> {
  for (const name of ['.zattrs', 'zarr.json']) {
    const text = await readFile(join(path, name), 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const parsed = JSON.parse(text) as Attributes & { attributes?: Attributes };
    const attributes = name === 'zarr.json' ? (parsed.attributes ?? {}) : parsed;
    return attributes.ome ?? attributes;
  }
  return {};
}

/** A path below the folder; one that leads out of it is refused. */
function inside(folder: string, path: string): string {
  const full = resolve(folder, path);
  if (dirname(full) !== resolve(folder) && !full.startsWith(`${resolve(folder)}/`))
    throw new Error(`its path ${path} leads out of the folder`);
  return full;
}

function pixelSizeOf(multiscale: Multiscale | undefined): { pixelSizeUm?: readonly [y: number, x: number] } {
  const scale = multiscale?.datasets[0]?.coordinateTransformations?.find(
    ({ type }) => type === 'scale',
  )?.scale;
  const last = multiscale?.axes?.at(-1);
  const unit = typeof last === 'object' ? MICROMETRES[last.unit ?? ''] : undefined;
  const [y, x] = scale?.slice(-2) ?? [];
  if (unit === undefined || y === undefined || x === undefined || !(y > 0 && x > 0)) return {};
  return { pixelSizeUm: [y * unit, x * unit] };
}
