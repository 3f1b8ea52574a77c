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

/** Is given the values of row `y` of the image from column `x0` on; they are overwritten by the next row. */
export type RowVisitor = (y: number, x0: number, row: Float32Array) => void;

/** Columns of one row of logits, half open. */
type Span = readonly [from: number, to: number];

/**
 * Resizes mask logits as SAM does (Kirillov et al. 2023): to the frame, cropped, to the image, each bilinear with
 * half-pixel centres and without antialiasing. Both steps are one separable map of four taps an axis, and only what can
 * exceed a level is computed, row by row: interpolation never exceeds its inputs.
 */
export class Upscaler {
  readonly geometry: MaskGeometry;
  readonly #rows: Taps;
  readonly #columns: Taps;
  /** For each column of logits the first output column that it, or one after it, has a part in. */
  readonly #first: Int32Array;
  /** For each the end of those that it, or one before it, has a part in. */
  readonly #end: Int32Array;
  /** Whether the image has the frame's size, so that two taps say all. */
  readonly #isSingleStep: boolean;
  readonly #wide: Float64Array;
  readonly #row: Float32Array;

  constructor(geometry: MaskGeometry) {
    const { side, frame, input, original } = geometry;
    this.geometry = geometry;
    this.#rows = chained(side, frame[0], input[0], original[0]);
    this.#columns = chained(side, frame[1], input[1], original[1]);
    [this.#first, this.#end] = reach(this.#columns, side, original[1]);
    this.#isSingleStep = [this.#rows, this.#columns].every(({ weight }) =>
      weight.every((w, k) => k % 4 < 2 || w === 0),
    );
    this.#wide = new Float64Array(side * original[1]);
    this.#row = new Float32Array(original[1]);
  }

  /**
   * Visits, from top to bottom, the parts of rows outside of which no logit is above `level`.
   *
   * @param logits `[side, side]`
   */
  rowsAbove(logits: Float32Array, level: number, visit: RowVisitor): void {
    const { side, original } = this.geometry;
    const spans = spansAbove(logits, side, level);
    const whole = joined(spans);
    if (whole === undefined) return;
    const [left, right] = this.#outputs(whole);
    const isWide = new Uint8Array(side);
    const { index, weight } = this.#rows;
    for (let y = 0; y < original[0]; y++) {
      const taps = index.subarray(y * 4, y * 4 + 4);
      const own = joined(Array.from(taps, (r) => spans[r]));
      if (own === undefined) continue;
      for (const r of taps) {
        if (isWide[r] === 1) continue;
        isWide[r] = 1;
        this.#widen(logits, r, left, right);
      }
      const [x0, x1] = this.#outputs(own);
      if (x1 <= x0) continue; // beyond the content
      const row = this.#row.subarray(0, x1 - x0);
      this.#mix(taps, weight.subarray(y * 4, y * 4 + 4), x0, row);
      visit(y, x0, row);
    }
  }

  /** The whole image. */
  full(logits: Float32Array): Float32Array {
    const [height, width] = this.geometry.original;
    const out = new Float32Array(height * width);
    this.rowsAbove(logits, Number.NEGATIVE_INFINITY, (y, x0, row) => out.set(row, y * width + x0));
    return out;
  }

  #outputs([from, to]: Span): Span {
    return [this.#first[from] as number, this.#end[to - 1] as number];
  }

  /** One row of logits at the image's width, from `left` to `right`. */
  #widen(logits: Float32Array, r: number, left: number, right: number): void {
    const { side, original } = this.geometry;
    const { index, weight } = this.#columns;
    const wide = this.#wide;
    const from = r * side;
    if (this.#isSingleStep)
      for (let x = left, k = 4 * left, o = r * original[1] + left; x < right; x++, k += 4, o++)
        wide[o] =
          (logits[from + (index[k] as number)] as number) * (weight[k] as number) +
          (logits[from + (index[k + 1] as number)] as number) * (weight[k + 1] as number);
    else
      for (let x = left, k = 4 * left, o = r * original[1] + left; x < right; x++, k += 4, o++)
        wide[o] =
          (logits[from + (index[k] as number)] as number) * (weight[k] as number) +
          (logits[from + (index[k + 1] as number)] as number) * (weight[k + 1] as number) +
          (logits[from + (index[k + 2] as number)] as number) * (weight[k + 2] as number) +
          (logits[from + (index[k + 3] as number)] as number) * (weight[k + 3] as number);
  }

  /** The weighted sum of the widened rows. */
  #mix(taps: Int32Array, weights: Float64Array, x0: number, out: Float32Array): void {
    const wide = this.#wide;
    const [a = 0, b = 0, c = 0, d = 0] = Array.from(taps, (r) => r * this.geometry.original[1] + x0);
    const [wa = 0, wb = 0, wc = 0, wd = 0] = weights;
    const n = out.length;
    if (this.#isSingleStep)
      for (let x = 0; x < n; x++) out[x] = (wide[a + x] as number) * wa + (wide[b + x] as number) * wb;
    else
      for (let x = 0; x < n; x++)
        out[x] =
          (wide[a + x] as number) * wa +
          (wide[b + x] as number) * wb +
          (wide[c + x] as number) * wc +
          (wide[d + x] as number) * wd;
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

/** For each row of logits the columns between its first and its last value above a level. */
function spansAbove(logits: Float32Array, side: number, level: number): (Span | undefined)[] {
  return Array.from({ length: side }, (_, y) => {
    const end = (y + 1) * side;
    let from = y * side;
    while (from < end && !((logits[from] as number) > level)) from++;
    if (from === end) return undefined;
    let to = end;
    while (!((logits[to - 1] as number) > level)) to--;
    return [from - y * side, to - y * side];
  });
}

/** The smallest span that holds all. */
function joined(spans: readonly (Span | undefined)[]): Span | undefined {
  let [from, to] = [Number.POSITIVE_INFINITY, 0];
  for (const span of spans) {
    if (span === undefined) continue;
    from = Math.min(from, span[0]);
    to = Math.max(to, span[1]);
  }
  return to === 0 ? undefined : [from, to];
}

/** Taps rise with the output position: see the fields of `Upscaler`. */
function reach(taps: Taps, side: number, size: number): [first: Int32Array, end: Int32Array] {
  const first = new Int32Array(side).fill(size);
  const end = new Int32Array(side);
  for (let c = 0, x = 0; c < side; c++) {
    while (x < size && (taps.index[4 * x + 3] as number) < c) x++;
    first[c] = x;
  }
  for (let c = side - 1, x = size; c >= 0; c--) {
    while (x > 0 && (taps.index[4 * x - 4] as number) > c) x--;
    end[c] = x;
  }
  return [first, end];
}
