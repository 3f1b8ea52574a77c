/** Grey levels and bins of scikit-image's `equalize_adapthist`. */
const LEVELS = 16384;
const BINS = 256;
const LEVELS_PER_BIN = 1 + Math.floor(LEVELS / BINS);

export interface ClaheOptions {
  /** Side of a tile in px. */
  readonly kernel: number;
  /** Largest share of a tile's pixels that one bin may hold. */
  readonly clipLimit: number;
}

/**
 * Contrast-limited adaptive histogram equalisation (Zuiderveld 1994), with the tiles, roundings and summation order of
 * scikit-image's `equalize_adapthist`, on which CellSAM's weights were trained.
 *
 * @param values `[H, W]` in 0..1
 * @returns `[H, W]` stretched to 0..1
 */
export function clahe(
  values: Float64Array,
  height: number,
  width: number,
  options: ClaheOptions,
): Float64Array {
  const bins = toBins(values);
  const tiles = { rows: Math.ceil(height / options.kernel), columns: Math.ceil(width / options.kernel) };
  const maps: Float64Array[] = [];
  for (let row = 0; row < tiles.rows; row++)
    for (let column = 0; column < tiles.columns; column++)
      maps.push(tileMap(bins, height, width, [row * options.kernel, column * options.kernel], options));
  return stretch(interpolate(bins, height, width, maps, tiles, options.kernel));
}

/** The bin of each pixel, after 16-bit and 14-bit rounding. */
function toBins(values: Float64Array): Uint8Array {
  const words = values.map((value) => Math.min(65535, Math.max(0, roundEven(65535 * value))));
  const [low, high] = extent(words);
  const toLevel =
    high > low
      ? (word: number) => roundEven(((word - low) / (high - low)) * (LEVELS - 1))
      : (word: number) => Math.min(word, LEVELS - 1);
  return Uint8Array.from(words, (word) => Math.floor(toLevel(word) / LEVELS_PER_BIN));
}

function tileMap(
  bins: Uint8Array,
  height: number,
  width: number,
  [top, left]: readonly [number, number],
  { kernel, clipLimit }: ClaheOptions,
): Float64Array {
  const histogram = new Int32Array(BINS);
  const columns = Int32Array.from({ length: kernel }, (_, i) => reflected(left + i, width));
  for (let y = 0; y < kernel; y++) {
    const row = reflected(top + y, height) * width;
    for (let x = 0; x < kernel; x++) {
      const bin = bins[row + (columns[x] as number)] as number;
      histogram[bin] = (histogram[bin] as number) + 1;
    }
  }
  const pixels = kernel * kernel;
  clipHistogram(histogram, Math.floor(Math.max(clipLimit * pixels, 1)));
  const scale = (LEVELS - 1) / pixels;
  let sum = 0;
  return Float64Array.from(histogram, (count) => {
    sum += count;
    return Math.floor(Math.min(sum * scale, LEVELS - 1));
  });
}

/** Cuts bins at the limit and hands the excess to the others, in the reference's order. */
function clipHistogram(histogram: Int32Array, limit: number): void {
  let excess = 0;
  for (const count of histogram) excess += Math.max(count - limit, 0);
  const increment = Math.floor(excess / BINS);
  const upper = limit - increment;
  for (let b = 0; b < BINS; b++) {
    let count = Math.min(histogram[b] as number, limit);
    if (count < upper) {
      count += increment;
      excess -= increment;
    }
    // Also for bins that the increment has just brought here.
    if (count >= upper) {
      excess -= limit - count;
      count = limit;
    }
    histogram[b] = count;
  }
  while (excess > 0) {
    const before = excess;
    for (let start = 0; start < BINS && excess > 0; start++) {
      const under = histogram.reduce((n, count) => n + (count < limit ? 1 : 0), 0);
      const step = Math.max(1, Math.floor(under / excess));
      for (let b = start; b < BINS; b += step) {
        if ((histogram[b] as number) >= limit) continue;
        histogram[b] = (histogram[b] as number) + 1;
        excess--;
      }
    }
    if (excess === before) return;
  }
}

/** Blends the maps of the four nearest tiles. Sums are float32 in a fixed order, then cut to whole levels. */
function interpolate(
  bins: Uint8Array,
  height: number,
  width: number,
  maps: readonly Float64Array[],
  tiles: { readonly rows: number; readonly columns: number },
  kernel: number,
): Float64Array {
  const f = Math.fround;
  const out = new Float64Array(height * width);
  for (let y = 0; y < height; y++) {
    const [r0, r1, fy] = neighbours(y, kernel, tiles.rows);
    for (let x = 0; x < width; x++) {
      const [c0, c1, fx] = neighbours(x, kernel, tiles.columns);
      const bin = bins[y * width + x] as number;
      const level = (row: number, column: number, weight: number) =>
        f(((maps[row * tiles.columns + column] as Float64Array)[bin] as number) * weight);
      let sum = level(r0, c0, (1 - fx) * (1 - fy));
      sum = f(sum + level(r0, c1, fx * (1 - fy)));
      sum = f(sum + level(r1, c0, (1 - fx) * fy));
      sum = f(sum + level(r1, c1, fx * fy));
      out[y * width + x] = Math.trunc(sum);
    }
  }
  return out;
}

function neighbours(position: number, kernel: number, tiles: number): readonly [number, number, number] {
  const shifted = position + Math.floor(kernel / 2);
  const tile = Math.floor(shifted / kernel);
  const clamp = (index: number) => Math.min(tiles - 1, Math.max(0, index));
  return [clamp(tile - 1), clamp(tile), (shifted % kernel) / kernel];
}

/** Linear to 0..1; a constant field is clipped to 0..1 instead. */
function stretch(values: Float64Array): Float64Array {
  const [low, high] = extent(values);
  if (high > low) return values.map((value) => (value - low) / (high - low));
  return values.map((value) => Math.min(1, Math.max(0, value)));
}

/** Index beyond the edge, reflected without repeating the edge. */
function reflected(index: number, size: number): number {
  if (size === 1) return 0;
  const folded = index % (2 * (size - 1));
  return folded < size ? folded : 2 * (size - 1) - folded;
}

/** Rounds half to even, as NumPy does. */
function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Smallest and largest value. */
export function extent(values: Float64Array | Float32Array): readonly [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
