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

/** One bilinear step along an axis: each output position between two input positions. */
interface Step {
  readonly low: Int32Array;
  readonly high: Int32Array;
  /** Of the high one. */
  readonly weight: Float64Array;
  /** Whether every output is an input. */
  readonly isIdentity: boolean;
}

/**
 * Row `y` of the image between columns `x0` and `x1`: column `x` is `above[x] * (1 - weight) + below[x] * weight`, left to
 * the visitor since a pass over all pixels that only writes them costs as much as what is done with them.
 */
export interface ImageRow {
  readonly y: number;
  readonly x0: number;
  readonly x1: number;
  readonly above: Float64Array;
  readonly below: Float64Array;
  readonly weight: number;
}

/** For each row of logits the columns between its first and its last value above a level, half open; `to` 0: none. */
interface Spans {
  readonly from: Int32Array;
  readonly to: Int32Array;
}

/**
 * Resizes mask logits as SAM does (Kirillov et al. 2023): to the frame, cropped, to the image, each bilinear with
 * half-pixel centres and without antialiasing. Only what can exceed a level is computed, row by row: interpolation never
 * exceeds its inputs.
 */
export class Upscaler {
  readonly geometry: MaskGeometry;
  /** Logits to frame, and frame to image. */
  readonly #rows: readonly [Step, Step];
  readonly #columns: readonly [Step, Step];
  /** For each column of logits the first output column that it, or one after it, has a part in. */
  readonly #first: Int32Array;
  /** For each the end of those that it, or one before it, has a part in. */
  readonly #end: Int32Array;
  /** Rows of logits at the image's width, and two neighbouring rows of the frame. */
  readonly #wide: readonly Float64Array[];
  readonly #framed: readonly [Float64Array, Float64Array];
  /** A row of logits at the width of the frame's content. */
  readonly #frameRow: Float64Array;

  constructor(geometry: MaskGeometry) {
    const { side, frame, input, original } = geometry;
    this.geometry = geometry;
    const steps = (axis: 0 | 1) =>
      [stepOf(side, frame[axis], input[axis]), stepOf(input[axis], original[axis], original[axis])] as const;
    [this.#rows, this.#columns] = [steps(0), steps(1)];
    [this.#first, this.#end] = reach(this.#columns, side);
    const row = () => new Float64Array(original[1]);
    this.#wide = Array.from({ length: side }, row);
    this.#framed = [row(), row()];
    this.#frameRow = new Float64Array(input[1]);
  }

  /**
   * Visits, from top to bottom, the parts of rows outside of which no logit is above `level`.
   *
   * @param logits `[side, side]`
   */
  rowsAbove(logits: Float32Array, level: number, visit: (row: ImageRow) => void): void {
    const { side, original } = this.geometry;
    const spans = spansAbove(logits, side, level);
    const [left, right] = this.#outputs(spans, 0, side - 1);
    if (left >= right) return;
    const wide = this.#widened(logits, left, right);
    const framed = this.#mixed(wide, left, right);
    const [toFrame, toImage] = this.#rows;
    for (let y = 0; y < original[0]; y++) {
      const [a, b] = [toImage.low[y] as number, toImage.high[y] as number];
      const [low, high] = [toFrame.low[a] as number, toFrame.high[b] as number];
      const [x0, x1] = this.#outputs(spans, low, high);
      if (x0 >= x1) continue;
      const [above, below] = toImage.isIdentity ? [wide(low), wide(high)] : [framed(a), framed(b)];
      const weight = (toImage.isIdentity ? toFrame : toImage).weight[y] as number;
      visit({ y, x0, x1, above, below, weight });
    }
  }

  /** The whole image. */
  full(logits: Float32Array): Float32Array {
    const [height, width] = this.geometry.original;
    const out = new Float32Array(height * width);
    this.rowsAbove(logits, Number.NEGATIVE_INFINITY, ({ y, x0, x1, above, below, weight }) => {
      for (let x = x0; x < x1; x++)
        out[y * width + x] = (above[x] as number) * (1 - weight) + (below[x] as number) * weight;
    });
    return out;
  }

  /** Columns of the image that rows `low` to `high` of logits may bring above the level. */
  #outputs({ from, to }: Spans, low: number, high: number): [x0: number, x1: number] {
    let [first, end] = [this.geometry.side, 0];
    for (let r = low; r <= high; r++) {
      first = Math.min(first, from[r] as number);
      end = Math.max(end, to[r] as number);
    }
    return end === 0 ? [0, 0] : [this.#first[first] as number, this.#end[end - 1] as number];
  }

  /** Rows of logits at the image's width, each made when it is first asked for. */
  #widened(logits: Float32Array, left: number, right: number): (r: number) => Float64Array {
    const { side, input } = this.geometry;
    const [toFrame, toImage] = this.#columns;
    const isThere = new Uint8Array(side);
    return (r) => {
      const row = this.#wide[r] as Float64Array;
      if (isThere[r] === 1) return row;
      isThere[r] = 1;
      if (toImage.isIdentity) interpolate(logits, r * side, toFrame, row, left, right);
      else {
        interpolate(logits, r * side, toFrame, this.#frameRow, 0, input[1]);
        interpolate(this.#frameRow, 0, toImage, row, left, right);
      }
      return row;
    };
  }

  /** Rows of the frame at the image's width. */
  #mixed(wide: (r: number) => Float64Array, left: number, right: number): (f: number) => Float64Array {
    const [step] = this.#rows;
    const held = [-1, -1];
    return (f) => {
      const row = this.#framed[f % 2] as Float64Array;
      if (held[f % 2] === f) return row;
      held[f % 2] = f;
      const [above, below] = [wide(step.low[f] as number), wide(step.high[f] as number)];
      const weight = step.weight[f] as number;
      for (let x = left; x < right; x++)
        row[x] = (above[x] as number) * (1 - weight) + (below[x] as number) * weight;
      return row;
    };
  }
}

/** One step along a row that begins at `start`: outputs `left` to `right`. */
function interpolate(
  row: Float32Array | Float64Array,
  start: number,
  { low, high, weight }: Step,
  out: Float64Array,
  left: number,
  right: number,
): void {
  for (let x = left; x < right; x++) {
    const w = weight[x] as number;
    out[x] =
      (row[start + (low[x] as number)] as number) * (1 - w) +
      (row[start + (high[x] as number)] as number) * w;
  }
}

/** From `from` positions to `to`, of which only the first `count` are wanted. */
function stepOf(from: number, to: number, count: number): Step {
  const [low, high] = [new Int32Array(count), new Int32Array(count)];
  const weight = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const at = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const floor = Math.min(Math.floor(at), from - 1);
    low[i] = floor;
    weight[i] = Math.min(at - floor, 1);
    high[i] = at > floor ? Math.min(floor + 1, from - 1) : floor;
  }
  return { low, high, weight, isIdentity: from === to };
}

function spansAbove(logits: Float32Array, side: number, level: number): Spans {
  const from = new Int32Array(side).fill(side);
  const to = new Int32Array(side);
  for (let y = 0; y < side; y++) {
    const [start, end] = [y * side, (y + 1) * side];
    let i = start;
    while (i < end && !((logits[i] as number) > level)) i++;
    if (i === end) continue;
    from[y] = i - start;
    i = end;
    while (!((logits[i - 1] as number) > level)) i--;
    to[y] = i - start;
  }
  return { from, to };
}

/** About how many pixels `Upscaler.rowsAbove` visits. @param logits `[side, side]` */
export function pixelsAbove(
  logits: Float32Array,
  level: number,
  { side, frame, input, original }: MaskGeometry,
): number {
  const { from, to } = spansAbove(logits, side, level);
  let inside = 0;
  for (let r = 0; r < side; r++) inside += Math.max(0, (to[r] as number) - (from[r] as number));
  const each = (axis: 0 | 1) => (frame[axis] / side) * (original[axis] / input[axis]);
  return inside * each(0) * each(1);
}

/** Inputs rise with the output position: see the fields of `Upscaler`. */
function reach([toFrame, toImage]: readonly [Step, Step], side: number): [Int32Array, Int32Array] {
  const size = toImage.low.length;
  const first = new Int32Array(side).fill(size);
  const end = new Int32Array(side);
  for (let c = 0, x = 0; c < side; c++) {
    while (x < size && (toFrame.high[toImage.high[x] as number] as number) < c) x++;
    first[c] = x;
  }
  for (let c = side - 1, x = size; c >= 0; c--) {
    while (x > 0 && (toFrame.low[toImage.low[x - 1] as number] as number) > c) x--;
    end[c] = x;
  }
  return [first, end];
}
