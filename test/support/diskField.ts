import { Random } from '../../src/core/random.js';
import type { PixelImage } from '../../src/image/types.js';

/** Bright disks of 7 to 11 px, one in each 50 x 50 px, on dark noise: the shipped model finds each of them. */
export function diskField(height: number, width: number): PixelImage {
  const random = new Random('disks');
  const data = Float32Array.from({ length: height * width }, () => random.integer(25));
  for (let top = 0; top + 50 <= height; top += 50)
    for (let left = 0; left + 50 <= width; left += 50) {
      const [cx, cy] = [left + 25 + random.uniform(-6, 6), top + 25 + random.uniform(-6, 6)];
      const radius = random.uniform(7, 11);
      for (let y = top; y < top + 50; y++)
        for (let x = left; x < left + 50; x++)
          if (Math.hypot(x - cx, y - cy) < radius) data[y * width + x] = 160 + random.integer(40);
    }
  return { height, width, channels: ['grey'], data, range: [0, 255] };
}
