import { Worker } from 'node:worker_threads';
import type { LabelImage } from '../image/types.js';
import type { Drawn } from './drawWorker.js';
import type { MaskGeometry } from './upscale.js';

/** Calls' masks that may wait for the thread: few, so that a slow one holds no more than these in memory. */
const WAITING = 4;

/** What a thread with a canvas is told: masks to draw, or that there are no more. */
export type DrawTask =
  | { readonly masks: readonly Float32Array[]; readonly qualities: readonly number[] }
  | 'labels';

interface Asked {
  resolve(answer: Drawn): void;
  reject(failure: unknown): void;
}

/**
 * A canvas in a thread. Kernels hold this thread until they are done, and a pool hands out its next task only when this
 * thread is free: so tasks are posted directly, and the thread draws while the next masks are decoded.
 */
export class DrawThread {
  readonly #worker: Worker;
  /** Oldest first, the order in which they are answered. */
  readonly #asked: Asked[] = [];
  readonly #drawing: Promise<unknown>[] = [];
  #failure: unknown;

  constructor(geometry: MaskGeometry, maskThreshold: number) {
    const workerData = { geometry, maskThreshold };
    this.#worker = new Worker(new URL('./drawWorker.js', import.meta.url), { workerData });
    this.#worker.on('message', (answer: Drawn) => this.#asked.shift()?.resolve(answer));
    this.#worker.on('error', (failure) => this.#fail(failure));
    this.#worker.on('exit', () => this.#fail(new Error('the thread that draws masks has ended')));
  }

  #fail(failure: unknown): void {
    this.#failure ??= failure;
    for (const asked of this.#asked.splice(0)) asked.reject(this.#failure);
  }

  #ask(task: DrawTask, handedOver: ArrayBuffer[] = []): Promise<Drawn> {
    const answer = new Promise<Drawn>((resolve, reject) => {
      if (this.#failure === undefined) this.#asked.push({ resolve, reject });
      else reject(this.#failure);
    });
    answer.catch(() => undefined); // a failure is thrown by the call that waits, which may come later
    this.#worker.postMessage(task, handedOver);
    return answer;
  }

  /** Hands the masks' memory over. @param masks parts of `memory` */
  async add(
    masks: readonly Float32Array[],
    qualities: readonly number[],
    memory: ArrayBuffer,
  ): Promise<void> {
    this.#drawing.push(this.#ask({ masks, qualities }, [memory]));
    if (this.#drawing.length > WAITING) await this.#drawing.shift();
  }

  /** After the last mask. */
  async labels(): Promise<LabelImage> {
    return (await this.#ask('labels')) as LabelImage;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
