import { components, relabel } from '../../image/labels.js';
import type { LabelImage } from '../../image/types.js';
import type { RawImage } from '../../io/raw.js';
import type { Finding } from './finding.js';

/** What a mask file itself tells, and the labels that should be used instead of its plain values. */
export interface MaskReport {
  readonly findings: readonly Finding[];
  readonly repaired?: LabelImage;
}

/** More values than these are ids. */
const MOST_CLASSES = 8;
/** Ids that eight bits can hold. */
const MOST_IN_8_BITS = 255;

/**
 * Looks at a mask file's own values for codes that are not ids: colours, foreground, wrapped numbers.
 *
 * @param raw the file, `[H, W]` or `[H, W, samples]` @param asRead what the reader made of it, a value an object
 */
export function examineMask(raw: RawImage, where: string, asRead: LabelImage): MaskReport {
  const findings: Finding[] = [];
  if (/\.jpe?g$/i.test(where)) {
    const message = 'is a JPEG: its losses change ids at every edge; save masks as PNG or TIFF';
    return { findings: [{ kind: 'lossyMask', where, message }] };
  }
  if (raw.data instanceof Float32Array || raw.data instanceof Float64Array)
    findings.push({ kind: 'floatLabels', where, message: 'stores labels as floating-point numbers' });
  const { height, width } = asRead;
  const colours = coloursOf(raw, height, width);
  if (colours !== undefined) {
    const repaired = components(colours.ids, height, width, 8);
    const message = `codes objects by colour: ${colours.count} colours in ${repaired.count} pieces, of which only red is read`;
    return { findings: [...findings, { kind: 'colourMask', where, message }], repaired };
  }
  const pieces = components(asRead.data, height, width, 8);
  const isEightBit = raw.data instanceof Uint8Array || raw.data instanceof Uint8ClampedArray;
  const { count } = asRead;
  // One object may lie in two pieces; two pieces of the value 255 are a picture of the foreground.
  const few = count === 1 ? (highest(raw) === 255 ? 1 : 2) : 2 * count;
  if (count <= MOST_CLASSES && count > 0 && pieces.count > few) {
    const what =
      count === 1 ? 'a binary mask' : `classes or colour indices (${classesOf(raw, asRead, pieces)})`;
    const message = `its ${count} ids lie in ${pieces.count} pieces: ${what}? With the option \`objects: pieces\` (or type bbbc039) each piece is an object`;
    return { findings: [...findings, { kind: 'binaryMask', where, message }], repaired: pieces };
  }
  if (isEightBit && count === MOST_IN_8_BITS && pieces.count > count) {
    const message = `uses all ${count} ids of its 8 bits, in ${pieces.count} pieces: more objects than ids, numbered from the start again? Save it with 16 bits`;
    return { findings: [...findings, { kind: 'wrappedIds', where, message }], repaired: pieces };
  }
  return { findings };
}

/** Largest value of a mask. */
function highest({ data }: RawImage): number {
  let high = 0;
  for (let i = 0; i < data.length; i++) if ((data[i] as number) > high) high = data[i] as number;
  return high;
}

/** Each value of a class mask with its pieces: `127: 233 pieces, 255: 416 pieces`. */
export function classesOf(raw: RawImage, asRead: LabelImage, pieces: LabelImage): string {
  const step = raw.axes.endsWith('s') ? (raw.shape.at(-1) as number) : 1;
  const found = new Map<number, Set<number>>();
  for (let i = 0; i < asRead.data.length; i++) {
    const piece = pieces.data[i] as number;
    if (piece === 0) continue;
    const value = raw.data[i * step] as number;
    found.set(value, (found.get(value) ?? new Set()).add(piece));
  }
  return [...found]
    .sort(([a], [b]) => a - b)
    .map(([value, own]) => `${value}: ${own.size} pieces`)
    .join(', ');
}

/** Colours as ids, of a mask in which more than one of red, green and blue is used and they differ. */
function coloursOf(
  { data, shape, axes, isColour }: RawImage,
  height: number,
  width: number,
): { ids: Uint32Array; count: number } | undefined {
  const samples = axes.endsWith('s') ? (shape.at(-1) as number) : 1;
  if (!isColour || samples < 3 || data.length !== height * width * samples) return undefined;
  const codes = new Float64Array(height * width);
  const used = [false, false, false];
  let differs = false;
  for (let i = 0; i < codes.length; i++) {
    const [red, green, blue] = [data[i * samples], data[i * samples + 1], data[i * samples + 2]] as [
      number,
      number,
      number,
    ];
    if (red > 0) used[0] = true;
    if (green > 0) used[1] = true;
    if (blue > 0) used[2] = true;
    if (red !== green || red !== blue) differs = true;
    codes[i] = (red * 65536 + green) * 65536 + blue;
  }
  // One channel alone is an index stored in it, and red is the one that is read.
  if (!differs || (used[0] && !used[1] && !used[2])) return undefined;
  const ids = new Map<number, number>([[0, 0]]);
  const data32 = new Uint32Array(codes.length);
  for (const [i, code] of codes.entries()) {
    const id = ids.get(code) ?? ids.size;
    ids.set(code, id);
    data32[i] = id;
  }
  return { ids: data32, count: ids.size - 1 };
}

/** Labels without objects that are one pixel wide or high. */
export function withoutThin(labels: LabelImage, thin: ReadonlySet<number>): LabelImage {
  const data = labels.data.map((id) => (thin.has(id) ? 0 : id));
  return relabel(data, labels.height, labels.width).labels;
}
