import type { DataError } from '../core/errors.js';

/** Stands on the stack where a list of items begins. */
export const MARK = Symbol('mark');

/** The stack and the memo of the pickle machine. */
export class PickleStack {
  readonly #items: unknown[] = [];
  readonly #memo = new Map<number, unknown>();
  readonly #refusal: (what: string) => DataError;

  constructor(refusal: (what: string) => DataError) {
    this.#refusal = refusal;
  }

  /** True, so that an operation can end with it. */
  push(value: unknown): true {
    this.#items.push(value);
    return true;
  }

  pop(): unknown {
    const value = this.top();
    this.#items.pop();
    return value;
  }

  top(): unknown {
    const value = this.#items.at(-1);
    if (value === undefined || value === MARK) throw this.#refusal('it takes a value where there is none');
    return value;
  }

  /** The topmost values in the order in which they were pushed. */
  popMany(count: number): unknown[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  popToMark(): unknown[] {
    const at = this.#items.lastIndexOf(MARK);
    if (at < 0) throw this.#refusal('a mark is missing');
    const items = this.#items.splice(at);
    items.shift();
    return items;
  }

  /** Keeps the top under this number, by default the next one. */
  remember(index: number = this.#memo.size): true {
    this.#memo.set(index, this.top());
    return true;
  }

  recall(index: number): unknown {
    if (!this.#memo.has(index)) throw this.#refusal(`nothing was remembered as ${index}`);
    return this.#memo.get(index);
  }
}
