/**
 * A seeded source of random numbers that can be split by name, saved and restored.
 *
 * `split` depends on the seed and the name alone, never on how many numbers were drawn, so that adding a
 * consumer changes nobody else's numbers. Generator: sfc32, state of four 32-bit words.
 */
export class Random {
  /** What `new Random` makes the same source from, e.g. in another thread; draws do not change it. */
  readonly seed: string;
  #state: Uint32Array;

  constructor(seed: number | string) {
    this.seed = String(seed);
    this.#state = hash128(this.seed);
    for (let i = 0; i < 12; i++) this.uint32();
  }

  /** An independent source for the consumer of this name. */
  split(name: string | number): Random {
    return new Random(`${this.seed}/${name}`);
  }

  /** Four words from which `restore` goes on with the same numbers. */
  save(): readonly number[] {
    return [...this.#state];
  }

  restore(state: readonly number[]): void {
    this.#state = Uint32Array.from(state);
  }

  /** An integer in 0 .. 2^32 - 1. */
  uint32(): number {
    const s = this.#state;
    const [a, b, c, d] = [s[0] as number, s[1] as number, s[2] as number, s[3] as number];
    const t = (a + b + d) >>> 0;
    s[3] = d + 1;
    s[0] = b ^ (b >>> 9);
    s[1] = c + (c << 3);
    s[2] = ((c << 21) | (c >>> 11)) + t;
    return t;
  }

  /** A number in [low, high), [0, 1) by default. */
  uniform(low = 0, high = 1): number {
    const unit = (this.uint32() * 2097152 + (this.uint32() >>> 11)) / 9007199254740992;
    return low + unit * (high - low);
  }

  /** An integer in [0, below). */
  integer(below: number): number {
    return Math.floor(this.uniform() * below);
  }

  /** A normally distributed number (Box-Muller). */
  normal(mean = 0, deviation = 1): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return mean + deviation * radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Number of events with this expected count; exact below 60, the normal approximation above. */
  poisson(mean: number): number {
    if (mean <= 0) return 0;
    if (mean > 60) return Math.max(0, Math.round(this.normal(mean, Math.sqrt(mean))));
    const limit = Math.exp(-mean);
    let count = -1;
    for (let product = 1; product > limit; count++) product *= this.uniform();
    return count;
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  /** @throws RangeError when there is nothing to pick from */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('pick needs at least one item');
    return items[this.integer(items.length)] as T;
  }

  /** The numbers 0 .. count - 1 in random order (Fisher-Yates). */
  permutation(count: number): Uint32Array {
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [order[i], order[j]] = [order[j] as number, order[i] as number];
    }
    return order;
  }
}

/** Four well-mixed words of a text (cyrb128 construction: four multiplicative hashes, cross-mixed). */
function hash128(text: string): Uint32Array {
  const h = Uint32Array.of(1779033703, 3144134277, 1013904242, 2773480762);
  const factors = [597399067, 2869860233, 951274213, 2716044179];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    for (let k = 0; k < 4; k++)
      h[k] = (h[(k + 1) % 4] as number) ^ Math.imul((h[k] as number) ^ code, factors[k] as number);
  }
  for (let k = 0; k < 4; k++) {
    const next = h[(k + 1) % 4] as number;
    h[k] = Math.imul(next ^ (next >>> (17 + k)), factors[3 - k] as number);
  }
  const mixed = (h[0] as number) ^ (h[1] as number) ^ (h[2] as number) ^ (h[3] as number);
  for (let k = 0; k < 4; k++) h[k] = (h[k] as number) ^ mixed ^ (k * 0x9e3779b9);
  return h;
}
