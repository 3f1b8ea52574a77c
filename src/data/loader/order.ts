import type { Random } from '../../core/random.js';
import type { Field } from '../fields.js';
import type { Cursor } from '../sample.js';

/** One dataset's part in the draws. */
export interface Share {
  /** Indexes of its fields; one that stands several times comes more often. */
  readonly pool: readonly number[];
  /** Relative to the other sets'. */
  readonly weight: number;
}

/**
 * Which field is seen where. It follows from the seed, the epoch and the position alone, so any batch can be made again.
 * Fields of one dataset come once an epoch, in a new order each; of several datasets each draw takes a set by its
 * weight and then any of its fields, with replacement: small sets come as often as their weights say.
 */
export class FieldOrder {
  readonly #shares: readonly Share[];
  readonly #random: Random;
  /** Views in an epoch. */
  readonly length: number;
  #epoch: { readonly number: number; readonly order: Uint32Array } | undefined;

  constructor(shares: readonly Share[], random: Random) {
    this.#shares = shares;
    this.#random = random;
    this.length = shares.reduce((sum, { pool }) => sum + pool.length, 0);
  }

  /** The index of the field at a place; places beyond the epoch's end begin again at its start. */
  at(epoch: number, place: number): number {
    if (this.#shares.length > 1) return this.#draw(this.#random.split(`mix/${epoch}/${place}`));
    const { pool } = this.#shares[0] as Share;
    if (this.#epoch?.number !== epoch) {
      const order = this.#random.split(`order/${epoch}`).permutation(pool.length);
      this.#epoch = { number: epoch, order };
    }
    return pool[this.#epoch.order[place % pool.length] as number] as number;
  }

  /** The field that is seen in the place of one that cannot be used. */
  replacement(epoch: number, place: number, attempt: number): number {
    return this.#draw(this.#random.split(`instead/${epoch}/${place}/${attempt}`));
  }

  /** Three fields of the same dataset for a mosaic with this one. */
  partners(epoch: number, place: number, fields: readonly Field[], index: number): number[] {
    const { set } = fields[index] as Field;
    const share = this.#shares.find(({ pool }) => fields[pool[0] as number]?.set === set) as Share;
    const random = this.#random.split(`partners/${epoch}/${place}`);
    return [0, 1, 2].map(() => random.pick(share.pool));
  }

  /** Where the batch after one of `size` at this cursor begins; the rest of an epoch that fills no batch is left out. */
  after(cursor: Cursor, size: number): Cursor {
    const position = cursor.position + size;
    return position + size > this.length
      ? { epoch: cursor.epoch + 1, position: 0, random: [] }
      : { ...cursor, position };
  }

  #draw(random: Random): number {
    const total = this.#shares.reduce((sum, { weight }) => sum + weight, 0);
    let left = random.uniform(0, total);
    for (const { pool, weight } of this.#shares) {
      left -= weight;
      if (left < 0) return random.pick(pool);
    }
    return random.pick((this.#shares.at(-1) as Share).pool);
  }
}

/** The draws of each dataset of a mixture. */
export function sharesOf(
  fields: readonly Field[],
  weights: readonly (number | undefined)[],
  mix: 'size' | 'sqrt' | 'equal',
  timesOf: (field: Field) => number,
): Share[] {
  return weights.flatMap((weight, set) => {
    const pool = fields.flatMap((field, i) =>
      field.set === set ? (Array(timesOf(field)).fill(i) as number[]) : [],
    );
    const bySize = { size: pool.length, sqrt: Math.sqrt(pool.length), equal: 1 }[mix];
    return pool.length === 0 ? [] : [{ pool, weight: weight ?? bySize }];
  });
}
