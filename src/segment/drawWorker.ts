import { parentPort, workerData } from 'node:worker_threads';
import type { LabelImage } from '../image/types.js';
import type { DrawTask } from './drawThread.js';
import { MaskCanvas } from './merge.js';
import type { MaskGeometry } from './upscale.js';

/** What the thread answers: how many cells are drawn, or at the end the labels. */
export type Drawn = number | LabelImage;

// The thread of `DrawThread`.
const { geometry, maskThreshold } = workerData as {
  readonly geometry: MaskGeometry;
  readonly maskThreshold: number;
};
const canvas = new MaskCanvas(geometry, maskThreshold);

parentPort?.on('message', (task: DrawTask) => {
  if (task === 'labels') {
    const labels = canvas.labels();
    parentPort?.postMessage(labels, [labels.data.buffer as ArrayBuffer]);
    return;
  }
  for (const [i, mask] of task.masks.entries()) canvas.add(mask, task.qualities[i] as number);
  parentPort?.postMessage(canvas.count);
});
