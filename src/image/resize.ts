/** An interleaved image `[H, W, C]`. */
export interface Interleaved {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly data: Float32Array | Float64Array;
}

/** Source range and normalised weights of each output position. */
interface Taps {
  readonly first: Int32Array;
  readonly weights: readonly Float64Array[];
}

/**
 * Bilinear with half-pixel centres, each axis scaled by itself; where an axis shrinks, the triangle is widened by the
 * scale (antialiasing), as in torchvision's `Resize`.
 *
 * @returns `[outHeight, outWidth, C]`
 */
export function resize(image: Interleaved, outHeight: number, outWidth: number): Float32Array {
  const { height, width, channels, data } = image;
  const [columns, rows] = [taps(width, outWidth), taps(height, outHeight)];
  const wide = new Float64Array(height * outWidth * channels);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < outWidth; x++)
      for (let c = 0; c < channels; c++) {
        const from = (y * width + (columns.first[x] as number)) * channels + c;
        wide[(y * outWidth + x) * channels + c] = weigh(
          data,
          from,
          channels,
          columns.weights[x] as Float64Array,
        );
      }
  const stride = outWidth * channels;
  const out = new Float32Array(outHeight * stride);
  for (let y = 0; y < outHeight; y++)
    for (let i = 0; i < stride; i++) {
      const from = (rows.first[y] as number) * stride + i;
      out[y * stride + i] = weigh(wide, from, stride, rows.weights[y] as Float64Array);
    }
  return out;
}

function weigh(
  data: Float32Array | Float64Array,
  from: number,
  stride: number,
  weights: Float64Array,
): number {
  let sum = 0;
  for (let j = 0; j < weights.length; j++)
    sum += (weights[j] as number) * (data[from + j * stride] as number);
  return sum;
}

function taps(size: number, outSize: number): Taps {
  const scale = size / outSize;
  const support = Math.max(scale, 1);
  const first = new Int32Array(outSize);
  const weights = Array.from({ length: outSize }, (_, i) => {
    const centre = scale * (i + 0.5);
    const low = Math.max(0, Math.floor(centre - support + 0.5));
    const high = Math.min(size, Math.floor(centre + support + 0.5));
    first[i] = low;
    const raw = Float64Array.from({ length: high - low }, (_, j) =>
      Math.max(0, 1 - Math.abs(low + j + 0.5 - centre) / support),
    );
    const sum = raw.reduce((a, b) => a + b, 0);
    return raw.map((weight) => weight / sum);
  });
  return { first, weights };
}
