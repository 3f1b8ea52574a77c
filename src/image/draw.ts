import type { LabelImage, PixelImage } from './types.js';

/** 1 where a pixel of a cell touches another value over an edge, or the image's border; `[H, W]`. */
export function outlineMask(labels: LabelImage): Uint8Array {
  const { height, width, data } = labels;
  const out = new Uint8Array(data.length);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const label = data[i] as number;
      if (label === 0) continue;
      const isEdge = x === 0 || y === 0 || x === width - 1 || y === height - 1;
      const isBetween =
        data[i - 1] !== label ||
        data[i + 1] !== label ||
        data[i - width] !== label ||
        data[i + width] !== label;
      if (isEdge || isBetween) out[i] = 1;
    }
  }
  return out;
}

/** A colour for each label, far from its neighbours' in hue. */
export function colourOf(label: number): readonly [r: number, g: number, b: number] {
  const hue = ((label * 0.618033988749895) % 1) * 6;
  const part = (shift: number): number => {
    const k = (shift + hue) % 6;
    return Math.round(255 * (1 - Math.max(0, Math.min(k, 4 - k, 1)) * 0.85));
  };
  return [part(5), part(3), part(1)];
}

/** The image as `[H, W, 3]` bytes, each channel stretched over its range; up to three channels, the last on blue. */
export function toRgb(image: PixelImage): Uint8Array {
  const { height, width, data, channels } = image;
  const count = channels.length;
  const used = Math.min(3, count);
  const out = new Uint8Array(height * width * 3);
  for (let c = 0; c < used; c++) {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (let k = c; k < data.length; k += count) {
      const v = data[k] as number;
      if (v < low) low = v;
      if (v > high) high = v;
    }
    const scale = high > low ? 255 / (high - low) : 0;
    for (let i = 0; i < height * width; i++) {
      const byte = Math.round(((data[i * count + c] as number) - low) * scale);
      if (used === 1) out.fill(byte, i * 3, i * 3 + 3);
      else out[i * 3 + 3 - used + c] = byte;
    }
  }
  return out;
}

/** The image with the cells' outlines in colour: `[H, W, 3]`. */
export function overlay(image: PixelImage, labels: LabelImage): Uint8Array {
  const out = toRgb(image);
  const mask = outlineMask(labels);
  for (let i = 0; i < mask.length; i++) if (mask[i] === 1) out.set(colourOf(labels.data[i] as number), i * 3);
  return out;
}
