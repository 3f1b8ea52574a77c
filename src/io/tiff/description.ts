import { allOf, readXml } from '../xml.js';

/** What a TIFF's description tells of its pages. */
export interface PageOrder {
  /** Sizes of the axes that the pages run through, slowest first; their product is the number of pages. */
  readonly axes: string;
  readonly sizes: readonly number[];
  /** Where the file's own order is none of the usual ones: page of each place, in the order of `axes`. */
  readonly pages?: readonly number[];
  readonly channels?: readonly string[];
  readonly pixelSizeUm?: readonly [y: number, x: number];
}

const MICROMETRES: Readonly<Record<string, number>> = {
  um: 1,
  µm: 1,
  μm: 1,
  '\\u00b5m': 1,
  micron: 1,
  microns: 1,
  micrometer: 1,
  micrometre: 1,
  nm: 1e-3,
  mm: 1e3,
  cm: 1e4,
};

/**
 * Reads ImageJ's and OME's descriptions.
 *
 * @param resolution pixels per unit `[y, x]`, from the file's own tags
 * @returns undefined where the text is neither, so that nobody knows what the pages are
 * @throws Error when OME's XML is damaged or names other files
 */
export function readDescription(
  text: string,
  pages: number,
  resolution: readonly [number, number] | undefined,
): PageOrder | undefined {
  if (text.startsWith('ImageJ=')) return imageJ(text, pages, resolution);
  if (text.includes('<OME') || text.includes(':OME')) return ome(text, pages);
  return undefined;
}

/** Pages run through channels first, then slices, then frames. */
function imageJ(
  text: string,
  pages: number,
  resolution: readonly [number, number] | undefined,
): PageOrder | undefined {
  const values = new Map(
    text.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
  const size = (key: string): number => Number(values.get(key) ?? 1);
  const sizes = [size('frames'), size('slices'), size('channels')];
  const unit = MICROMETRES[(values.get('unit') ?? '').toLowerCase()];
  const pixelSizeUm =
    unit !== undefined && resolution?.every((n) => n > 0)
      ? { pixelSizeUm: resolution.map((n) => unit / n) as [number, number] }
      : {};
  const known = sizes.reduce((a, b) => a * b, 1);
  if (known !== pages)
    return pages === 1 || known > 1 ? undefined : { axes: 'q', sizes: [pages], ...pixelSizeUm };
  return { axes: 'tzc', sizes, ...pixelSizeUm };
}

function ome(text: string, pages: number): PageOrder {
  const [pixels] = allOf(readXml(text.slice(text.indexOf('<'))), 'Pixels');
  if (pixels === undefined) throw new Error('its OME description has no Pixels');
  const { DimensionOrder = 'XYCZT', PhysicalSizeX, PhysicalSizeY } = pixels.attributes;
  const axes = [...DimensionOrder.slice(2)].reverse().join('').toLowerCase();
  const samples = Number(allOf(pixels, 'Channel')[0]?.attributes['SamplesPerPixel'] ?? 1);
  const size = (axis: string): number => {
    const n = Number(pixels.attributes[`Size${axis.toUpperCase()}`] ?? 1);
    return axis === 'c' ? n / samples : n;
  };
  const sizes = [...axes].map(size);
  if (!/^(ctz|czt|tcz|tzc|zct|ztc)$/.test(axes) || sizes.reduce((a, b) => a * b, 1) !== pages)
    throw new Error(
      `its OME description tells of ${sizes.join(' x ')} pages (${axes}), the file has ${pages}; files in several parts are not read`,
    );
  const names = allOf(pixels, 'Channel').map((channel) => channel.attributes['Name'] ?? '');
  const unit = (key: string): number =>
    MICROMETRES[(pixels.attributes[key] ?? 'µm').toLowerCase()] ?? Number.NaN;
  const [x, y] = [
    Number(PhysicalSizeX) * unit('PhysicalSizeXUnit'),
    Number(PhysicalSizeY) * unit('PhysicalSizeYUnit'),
  ];
  const places = placesOf(allOf(pixels, 'TiffData'), axes, sizes);
  return {
    axes,
    sizes,
    ...(places && { pages: places }),
    ...(samples === 1 && names.length > 1 && names.every((name) => name !== '') && { channels: names }),
    ...(x > 0 && y > 0 && { pixelSizeUm: [y, x] as const }),
  };
}

/** The page of each place, when every page is told one by one and in another order than the usual. */
function placesOf(
  data: readonly { attributes: Readonly<Record<string, string>> }[],
  axes: string,
  sizes: readonly number[],
): readonly number[] | undefined {
  const count = sizes.reduce((a, b) => a * b, 1);
  if (data.length !== count || count === 1) return undefined;
  const places = new Array<number>(count).fill(-1);
  for (const { attributes } of data) {
    const at = [...axes].reduce(
      (index, axis, i) =>
        index * (sizes[i] as number) + Number(attributes[`First${axis.toUpperCase()}`] ?? 0),
      0,
    );
    places[at] = Number(attributes['IFD'] ?? 0);
  }
  if (new Set(places).size !== count || places.some((page) => !(page >= 0 && page < count)))
    throw new Error('its OME description names pages twice or not at all');
  return places.every((page, i) => page === i) ? undefined : places;
}
