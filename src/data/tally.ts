import type { Sample } from './sample.js';

/** Counts images and objects of a dataset: planes of one volume are one image, and an id in several of them one object. */
export class Tally {
  #images = 0;
  #objects = 0;
  readonly #volumes = new Map<string, Set<number>>();

  add({ objectCount, volume }: Pick<Sample, 'objectCount' | 'volume'>): void {
    if (volume === undefined) {
      this.#images++;
      this.#objects += objectCount;
      return;
    }
    const seen = this.#volumes.get(volume.file) ?? new Set();
    for (const id of volume.ids) seen.add(id);
    this.#volumes.set(volume.file, seen);
  }

  get images(): number {
    return this.#images + this.#volumes.size;
  }

  get objects(): number {
    return [...this.#volumes.values()].reduce((sum, ids) => sum + ids.size, this.#objects);
  }
}
