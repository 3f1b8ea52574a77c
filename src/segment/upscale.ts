/** The sizes through which mask logits pass on their way to the image. */
export interface MaskGeometry {
  /** Side of the decoder's masks. */
  readonly side: number;
  /** `[height, width]` of the model's frame, S x S. */
  readonly frame: readonly [height: number, width: number];
  /** Part of the frame, at its top left, that the image filled. */
  readonly input: readonly [height: number, width: number];
  /** The image. */
  readonly original: readonly [height: number, width: number];
}

/** Each output position as a weighted sum of four input positions. */
interface Taps {
  readonly index: Int32Array;
  readonly weight: Float64Array;
}

/** Logits over a window of the image; outside it no logit is above the level that was asked for. */
export interface LogitWindow {
  readonly x0: number;
  readonly y0: number;
  readonly width: number;
  readonly height: number;
  /** `[height, width]`. */
  readonly data: Float32Array;
}

/**
 * Resizes mask logits as SAM does (Kirillov et al. 2023): to the frame, cropped, to the image, each bilinear with
 * half-pixel centres and without antialiasing. Both steps are one separable map of four taps an axis, and only the
 * window that can exceed `level` is computed: interpolation never exceeds its inputs.
 */
export class Upscaler {
  readonly geometry: MaskGeometry;
  readonly #rows: Taps;
  readonly #columns: Taps;

  constructor(geometry: MaskGeometry) {
    const { side, frame, input, original } = geometry;
    this.geometry = geometry;
    this.#rows = chained(side, frame[0], input[0], original[0]);
    this.#columns = chained(side, frame[1], input[1], original[1]);
  }

  /** @param logits `[side, side]` */
  window(logits: Float32Array, level: number): LogitWindow | undefined {
    const { side, original } = this.geometry;
    const bounds = boundsAbove(logits, side, level);
    if (bounds === undefined) return undefined;
    const [y0, y1] = reach(this.#rows, original[0], bounds[1], bounds[3]);
    const [x0, x1] = reach(this.#columns, original[1], bounds[0], bounds[2]);
    if (y1 <= y0 || x1 <= x0) return undefined;
    const data = this.#resize(logits, y0, y1, x0, x1);
    return { x0, y0, width: x1 - x0, height: y1 - y0, data };
  }

  /** The whole image. */
  full(logits: Float32Array): Float32Array {
    const { original } = this.geometry;
    return this.#resize(logits, 0, original[0], 0, original[1]);
  }

  #resize(logits: Float32Array, y0: number, y1: number, x0: number, x1: number): Float32Array {
    const { side } = this.geometry;
    const width = x1 - x0;
    const { index: ci, weight: cw } = this.#columns;
    const { index: ri, weight: rw } = this.#rows;
    const firstRow = ri[y0 * 4] as number;
    const lastRow = ri[(y1 - 1) * 4 + 3] as number;
    const wide = new Float64Array((lastRow - firstRow + 1) * width);
    for (let r = firstRow, o = 0; r <= lastRow; r++) {
      const row = r * side;
      for (let x = x0; x < x1; x++, o++) {
        const k = x * 4;
        wide[o] =
          (logits[row + (ci[k] as number)] as number) * (cw[k] as number) +
          (logits[row + (ci[k + 1] as number)] as number) * (cw[k + 1] as number) +
          (logits[row + (ci[k + 2] as number)] as number) * (cw[k + 2] as number) +
          (logits[row + (ci[k + 3] as number)] as number) * (cw[k + 3] as number);
      }
    }
    const out = new Float32Array((y1 - y0) * width);
    for (let y = y0, o = 0; y < y1; y++) {
      const k = y * 4;
      const a = ((ri[k] as number) - firstRow) * width;
      const b = ((ri[k + 1] as number) - firstRow) * width;
      const c = ((ri[k + 2] as number) - firstRow) * width;
      const d = ((ri[k + 3] as number) - firstRow) * width;
      const wa = rw[k] as number;
      const wb = rw[k + 1] as number;
      const wc = rw[k + 2] as number;
      const wd = rw[k + 3] as number;
      for (let x = 0; x < width; x++, o++) {
        out[o] =
          (wide[a + x] as number) * wa +
          (wide[b + x] as number) * wb +
          (wide[c + x] as number) * wc +
          (wide[d + x] as number) * wd;
      }
    }
    return out;
  }
}

/** side -> frame, cropped to `input`, -> original. */
function chained(side: number, frame: number, input: number, original: number): Taps {
  const index = new Int32Array(original * 4);
  const weight = new Float64Array(original * 4);
  for (let i = 0; i < original; i++) {
    const [a, b, wb] = bilinear(i, input, original);
    const [a0, a1, wa1] = bilinear(a, side, frame);
    const [b0, b1, wb1] = bilinear(b, side, frame);
    index.set([a0, a1, b0, b1], i * 4);
    weight.set([(1 - wb) * (1 - wa1), (1 - wb) * wa1, wb * (1 - wb1), wb * wb1], i * 4);
  }
  return { index, weight };
}

/** Two neighbours of output position i and the weight of the second. */
function bilinear(i: number, from: number, to: number): [number, number, number] {
  const at = Math.max(0, ((i + 0.5) * from) / to - 0.5);
  const low = Math.min(Math.floor(at), from - 1);
  return [low, Math.min(low + 1, from - 1), Math.min(at - low, 1)];
}

/** Inclusive bounds x0, y0, x1, y1 of values above a level. */
function boundsAbove(
  logits: Float32Array,
  side: number,
  level: number,
): [number, number, number, number] | undefined {
  let [x0, y0, x1, y1] = [side, side, -1, -1];
  for (let y = 0, i = 0; y < side; y++) {
    for (let x = 0; x < side; x++, i++) {
      if ((logits[i] as number) <= level) continue;
      if (x < x0) x0 = x;
      if (x > x1) x1 = x;
      if (y < y0) y0 = y;
      y1 = y;
    }
  }
  return x1 < 0 ? undefined : [x0, y0, x1, y1];
}

/** Output positions, half open, that have a tap within low .. high. */
function reach(taps: Taps, size: number, low: number, high: number): [number, number] {
  let first = size;
  let end = 0;
  for (let i = 0; i < size; i++) {
    if ((taps.index[i * 4] as number) > high || (taps.index[i * 4 + 3] as number) < low) continue;
    if (i < first) first = i;
    end = i + 1;
  }
  return [first, end];
}
