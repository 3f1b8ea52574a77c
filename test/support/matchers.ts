import { expect } from '@jest/globals';
import type { LabelImage } from '../../src/image/types.js';

declare module 'expect' {
  interface Matchers<R> {
    /** Compares a label image with rows of numbers, e.g. `['1 1 2', '0 0 2']`. */
    toEqualLabels(rows: readonly string[]): R;
  }
}

expect.extend({
  toEqualLabels(actual: LabelImage, rows: readonly string[]) {
    const drawn: string[] = [];
    for (let y = 0; y < actual.height; y++) {
      drawn.push([...actual.data.subarray(y * actual.width, (y + 1) * actual.width)].join(' '));
    }
    return {
      pass: this.equals(drawn, rows),
      message: () => `expected labels\n  ${rows.join('\n  ')}\nfound\n  ${drawn.join('\n  ')}`,
    };
  },
});
