/** A binary image: 1 inside, 0 outside; what lies beyond its edges is outside. */
export interface Mask {
  readonly height: number;
  readonly width: number;
  readonly data: Uint8Array;
}

/** Pixels within `radius` of a pixel of the mask (a disk `x² + y² <= r²`). */
export function dilate(mask: Mask, radius: number): Mask {
  const { height, width, data } = mask;
  const out = new Uint8Array(data.length);
  const sums = new Uint32Array(width + 1);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) sums[x + 1] = (sums[x] as number) + (data[y * width + x] as number);
    if (sums[width] === 0) continue;
    // A row of the mask reaches rows up to the radius away, there by the disk's half width.
    for (let dy = -radius; dy <= radius; dy++) {
      if (y + dy < 0 || y + dy >= height) continue;
      const reach = Math.floor(Math.sqrt(radius * radius - dy * dy));
      for (let x = 0; x < width; x++) {
        const inside =
          (sums[Math.min(width, x + reach + 1)] as number) - (sums[Math.max(0, x - reach)] as number);
        if (inside > 0) out[(y + dy) * width + x] = 1;
      }
    }
  }
  return { height, width, data: out };
}

/** Pixels whose whole disk lies in the mask. */
export function erode(mask: Mask, radius: number): Mask {
  const outside = padded(mask, radius);
  const grown = dilate({ ...outside, data: outside.data.map((v) => 1 - v) }, radius);
  return cropped({ ...grown, data: grown.data.map((v) => 1 - v) }, radius);
}

/** Takes away what no disk fits into. */
export const openMask = (mask: Mask, radius: number): Mask => dilate(erode(mask, radius), radius);

/** Fills what no disk outside fits into; the mask should not touch the edges. */
export const closeMask = (mask: Mask, radius: number): Mask => erode(dilate(mask, radius), radius);

/** Blurs by a Gaussian cut at four deviations and keeps where more than half is left. */
export function smoothEdge(mask: Mask, sigma: number): Mask {
  const reach = Math.round(4 * sigma);
  const kernel = Float64Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-((i - reach) ** 2) / (2 * sigma * sigma)),
  );
  const total = kernel.reduce((a, b) => a + b, 0);
  const along = (
    from: ArrayLike<number>,
    length: number,
    count: number,
    step: number,
    line: number,
  ): Float64Array => {
    const out = new Float64Array(from.length);
    for (let l = 0; l < count; l++)
      for (let i = 0; i < length; i++) {
        let sum = 0;
        for (let k = Math.max(-reach, -i); k <= Math.min(reach, length - 1 - i); k++)
          sum += (kernel[k + reach] as number) * (from[l * line + (i + k) * step] as number);
        out[l * line + i * step] = sum / total;
      }
    return out;
  };
  const { height, width } = mask;
  const rows = along(mask.data, width, height, 1, width);
  const both = along(rows, height, width, width, 1);
  return { height, width, data: Uint8Array.from(both, (v) => (v > 0.5 ? 1 : 0)) };
}

function padded({ height, width, data }: Mask, by: number): Mask {
  const out = new Uint8Array((height + 2 * by) * (width + 2 * by));
  for (let y = 0; y < height; y++)
    out.set(data.subarray(y * width, (y + 1) * width), (y + by) * (width + 2 * by) + by);
  return { height: height + 2 * by, width: width + 2 * by, data: out };
}

function cropped({ height, width, data }: Mask, by: number): Mask {
  const [h, w] = [height - 2 * by, width - 2 * by];
  const out = new Uint8Array(h * w);
  for (let y = 0; y < h; y++) out.set(data.subarray((y + by) * width + by, (y + by) * width + by + w), y * w);
  return { height: h, width: w, data: out };
}
