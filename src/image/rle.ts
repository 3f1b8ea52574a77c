import { boxesOf } from './labels.js';
import type { LabelImage } from './types.js';

/**
 * Run lengths of one object in COCO's order: column by column, starting with background (perhaps 0).
 *
 * @param xyxy the object's box, so that only its pixels are read
 */
export function runLengths(labels: LabelImage, label: number, xyxy: ArrayLike<number>): number[] {
  const { height, width, data } = labels;
  const [x0, y0, x1, y1] = [xyxy[0] as number, xyxy[1] as number, xyxy[2] as number, xyxy[3] as number];
  const runs: number[] = [];
  let isOn = false;
  let since = 0;
  const turn = (at: number): void => {
    runs.push(at - since);
    since = at;
    isOn = !isOn;
  };
  for (let x = x0; x < x1; x++) {
    for (let y = y0; y < y1; y++) if ((data[y * width + x] === label) !== isOn) turn(x * height + y);
    if (isOn && (y1 < height || y0 > 0)) turn(x * height + y1);
  }
  if (isOn) turn(x1 * height);
  if (since < height * width) turn(height * width);
  return runs;
}

/** The object back from its runs: `[height, width]`, 0 or 1. */
export function fromRunLengths(runs: readonly number[], height: number, width: number): Uint8Array {
  const out = new Uint8Array(height * width);
  let at = 0;
  for (const [i, run] of runs.entries()) {
    if (i % 2 === 1)
      for (let k = at; k < at + run; k++) out[(k % height) * width + Math.floor(k / height)] = 1;
    at += run;
  }
  return out;
}

/** COCO's text form: differences to the run before last, five bits a character, least significant first. */
export function packRuns(runs: readonly number[]): string {
  let text = '';
  for (const [i, run] of runs.entries()) {
    let rest = i > 2 ? run - (runs[i - 2] as number) : run;
    for (let isMore = true; isMore; ) {
      const bits = rest & 31;
      rest >>= 5;
      isMore = (bits & 16) === 0 ? rest !== 0 : rest !== -1;
      text += String.fromCharCode((isMore ? bits | 32 : bits) + 48);
    }
  }
  return text;
}

/** COCO's compressed run lengths of every object, object i + 1 at index i. */
export function packedObjects(labels: LabelImage): string[] {
  const { xyxy, count } = boxesOf(labels);
  return Array.from({ length: count }, (_, i) =>
    packRuns(runLengths(labels, i + 1, xyxy.subarray(i * 4, i * 4 + 4))),
  );
}

/** The runs of COCO's text form. @throws Error when the text is cut short or its runs are no lengths */
export function unpackRuns(text: string): number[] {
  const runs: number[] = [];
  for (let at = 0; at < text.length; ) {
    let value = 0;
    let shift = 0;
    for (let isMore = true; isMore; ) {
      const code = text.charCodeAt(at++) - 48;
      if (!(code >= 0 && code < 64) || shift > 30) throw new Error('the packed runs are damaged');
      value |= (code & 31) << shift;
      shift += 5;
      isMore = (code & 32) !== 0;
      if (!isMore && (code & 16) !== 0) value |= -1 << shift;
    }
    if (runs.length > 2) value += runs.at(-2) as number;
    if (value < 0) throw new Error('a packed run is negative');
    runs.push(value);
  }
  return runs;
}

/**
 * Flat indexes of the object's pixels, rising, from its runs.
 *
 * @throws Error when the runs do not cover the image exactly
 */
export function runPixels(runs: readonly number[], height: number, width: number): Uint32Array {
  const total = runs.reduce((a, b) => a + b, 0);
  if (total !== height * width || runs.some((run) => !Number.isInteger(run) || run < 0))
    throw new Error(`its runs cover ${total} of ${height * width} pixels`);
  const pixels: number[] = [];
  let at = 0;
  for (const [i, run] of runs.entries()) {
    if (i % 2 === 1)
      for (let k = at; k < at + run; k++) pixels.push((k % height) * width + Math.floor(k / height));
    at += run;
  }
  return Uint32Array.from(pixels).sort();
}
