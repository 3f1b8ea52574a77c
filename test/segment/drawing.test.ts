import { describe, expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { Drawing } from '../../src/segment/drawing.js';
import { DrawThread } from '../../src/segment/drawThread.js';

const side = 16;
const geometry = { side, frame: [64, 64], input: [64, 48], original: [80, 60] } as const;
const random = new Random('drawing');

/** Masks of calls of up to 4 prompts, of which some are drawn; new memory each time. */
function calls(): { data: Float32Array; side: number; quality: Float32Array; chosen: number[] }[] {
  const source = random.split('masks');
  return Array.from({ length: 12 }, (_, call) => ({
    side,
    data: Float32Array.from({ length: 4 * side * side }, () => source.normal()),
    quality: Float32Array.from({ length: 4 }, () => source.uniform(0, 1)),
    chosen: call === 3 ? [] : [0, 2, 3],
  }));
}

/** @param left prompts that are said to be still to come: many bring in the thread */
async function drawn(left: number): Promise<{ labels: Uint32Array; count: number; isThread: boolean }> {
  const drawing = new Drawing(geometry, 0.6);
  let isThread = false;
  try {
    for (const { chosen, ...masks } of calls()) {
      await drawing.add(masks, chosen, left);
      isThread = masks.data.length === 0;
    }
    const { data, count } = await drawing.labels();
    return { labels: data, count, isThread };
  } finally {
    await drawing.close();
  }
}

describe('drawing', () => {
  test('few masks are drawn here and many in a thread, which takes their memory; the labels are the same', async () => {
    const [here, there] = [await drawn(48), await drawn(1e9)];
    expect([here.isThread, there.isThread]).toEqual([false, true]);
    expect([here.count, there.count]).toEqual([33, 33]);
    expect(there.labels).toEqual(here.labels);
    expect(new Set(here.labels).size).toBeGreaterThan(10);
  });

  test('without a mask there are no cells', async () => {
    const { height, width, count } = await new Drawing(geometry, 0.5).labels();
    expect([height, width, count]).toEqual([80, 60, 0]);
  });

  test('what fails in the thread fails the call that waits for it, and what comes after', async () => {
    const broken = new DrawThread({ ...geometry, side: -1 }, 0.5);
    await expect(broken.labels()).rejects.toThrow('length');
    await expect(broken.labels()).rejects.toThrow('length');
    await broken.close();
  });

  test('a closed thread says that it has ended', async () => {
    const thread = new DrawThread(geometry, 0.5);
    const waiting = thread.labels();
    await thread.close();
    await expect(waiting.then(() => thread.labels())).rejects.toThrow('has ended');
  });
});
