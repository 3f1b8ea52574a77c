import type { Ring } from '../image/polygons.js';

/** What an ImageJ ROI draws. */
export interface ImageJRoi {
  readonly name: string;
  /** Outlines, the even-odd rule telling holes; none for points and lines. */
  readonly rings: readonly Ring[];
  readonly kind: 'area' | 'point' | 'line';
}

const [POLYGON, RECTANGLE, OVAL, FREEHAND, TRACED, POINT] = [0, 1, 2, 7, 8, 10];
const SUB_PIXEL = 128;
const MAX_CORNERS = 1 << 20;

/**
 * Reads one `.roi` of ImageJ: polygon, freehand, traced, rectangle, oval or composite.
 *
 * @throws Error when it is damaged
 * @see the file's layout in ImageJ's `RoiDecoder`
 */
export function readRoi(bytes: Uint8Array): ImageJRoi {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 64 || String.fromCharCode(...bytes.subarray(0, 4)) !== 'Iout')
    throw new Error('it is no ROI of ImageJ');
  const version = view.getInt16(4);
  const type = bytes[6] as number;
  const [top, left, bottom, right] = [8, 10, 12, 14].map((at) => view.getInt16(at)) as [
    number,
    number,
    number,
    number,
  ];
  const options = view.getInt16(50);
  const name = nameOf(view);
  const shapeSize = view.getInt32(36);
  if (shapeSize > 0 && type === RECTANGLE) return { name, rings: composite(view, shapeSize), kind: 'area' };
  if (type === RECTANGLE)
    return { name, rings: [[left, top, right, top, right, bottom, left, bottom]], kind: 'area' };
  if (type === OVAL) return { name, rings: [ovalRing(left, top, right, bottom)], kind: 'area' };
  if (type === POINT) return { name, rings: [], kind: 'point' };
  if (type !== POLYGON && type !== FREEHAND && type !== TRACED) return { name, rings: [], kind: 'line' };
  const count = view.getUint16(16) || view.getInt32(18);
  if (count > MAX_CORNERS) throw new Error(`it claims ${count} corners`);
  const ring: number[] = [];
  const isFine = version >= 222 && (options & SUB_PIXEL) !== 0;
  for (let i = 0; i < count; i++) {
    if (isFine) ring.push(view.getFloat32(64 + 4 * (count + i)), view.getFloat32(64 + 4 * (2 * count + i)));
    else ring.push(left + view.getInt16(64 + 2 * i), top + view.getInt16(64 + 2 * (count + i)));
  }
  if (ring.some((value) => !Number.isFinite(value))) throw new Error('a corner is no number');
  return { name, rings: [ring], kind: 'area' };
}

function nameOf(view: DataView): string {
  const second = view.getInt32(60);
  if (second <= 0 || second + 24 > view.byteLength) return '';
  const [start, length] = [view.getInt32(second + 16), view.getInt32(second + 20)];
  if (start <= 0 || length <= 0 || start + 2 * length > view.byteLength) return '';
  return Array.from({ length }, (_, i) => String.fromCharCode(view.getUint16(start + 2 * i))).join('');
}

/** Path segments as floats: 0 move, 1 line, 4 close, with 2 numbers for the first two; curves (2, 3) by their end points. */
function composite(view: DataView, size: number): Ring[] {
  const numbers = Array.from({ length: Math.min(size, Math.floor((view.byteLength - 64) / 4)) }, (_, i) =>
    view.getFloat32(64 + 4 * i),
  );
  const rings: number[][] = [];
  const given: Readonly<Record<number, number>> = { 0: 2, 1: 2, 2: 4, 3: 6, 4: 0 };
  for (let at = 0; at < numbers.length; ) {
    const segment = numbers[at] as number;
    const length = given[segment];
    if (length === undefined || at + length >= numbers.length + 1) throw new Error('its path is damaged');
    if (segment === 0) rings.push([]);
    if (length > 0) rings.at(-1)?.push(...numbers.slice(at + length - 1, at + 1 + length));
    at += 1 + length;
  }
  return rings.filter((ring) => ring.length >= 6);
}

function ovalRing(x0: number, y0: number, x1: number, y1: number): Ring {
  const corners = Math.max(64, 8 * Math.ceil(Math.max(x1 - x0, y1 - y0, 1)));
  return Array.from({ length: 2 * corners }, (_, i) => {
    const angle = (2 * Math.PI * (i >> 1)) / corners;
    return i % 2 === 0
      ? (x0 + x1) / 2 + ((x1 - x0) / 2) * Math.cos(angle)
      : (y0 + y1) / 2 + ((y1 - y0) / 2) * Math.sin(angle);
  });
}
