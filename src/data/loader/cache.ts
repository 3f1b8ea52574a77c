import type { PreparedField } from '../prepared.js';

/**
 * Decoded fields kept in memory over the epochs, up to a number of bytes. A full cache takes nothing more and gives nothing
 * up: every field comes once an epoch, and giving up the oldest would, in that order, keep none long enough to be used.
 */
export class FieldCache {
  readonly #limit: number;
  readonly #fields = new Map<string, PreparedField>();
  #bytes = 0;

  /** @param limit in bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get isFull(): boolean {
    return this.#bytes >= this.#limit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(id: string): PreparedField | undefined {
    return this.#fields.get(id);
  }

  add(field: PreparedField): void {
    const size = field.values.byteLength + field.labels.data.byteLength;
    if (this.#fields.has(field.id) || this.#bytes + size > this.#limit) return;
    this.#fields.set(field.id, field);
    this.#bytes += size;
  }
}
