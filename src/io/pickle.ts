// Above 300 lines because the operations of the pickle machine are one table; they share its stack and memo.
import { DataError } from '../core/errors.js';

/** A class or function that a pickle may name: all that it can do is `call`. */
export interface PickleGlobal {
  call(args: readonly unknown[]): unknown;
}

/** What a pickle may reach: `module.name` to a stand-in of ours. Anything else is refused. */
export type PickleGlobals = Readonly<Record<string, PickleGlobal>>;

/** An object that takes a state after it was made (`__setstate__`). */
export interface Stateful {
  setState(state: unknown): void;
}

export interface PickleOptions {
  readonly globals: PickleGlobals;
  /** Resolves `persistent_id`s, as PyTorch uses them for storages. */
  readonly persistent?: (id: unknown) => unknown;
}

class Allowed {
  readonly name: string;
  readonly value: PickleGlobal;

  constructor(name: string, value: PickleGlobal) {
    this.name = name;
    this.value = value;
  }
}
const MARK = Symbol('mark');

/**
 * Reads one pickle of protocols 2 to 5. It builds plain containers, numbers, texts and bytes, and what the given table
 * makes; no other code can run. Lists and tuples become arrays, dictionaries `Map`s, bytes `Uint8Array`s.
 *
 * @returns the value and the position after it
 * @throws DataError at an unknown name or operation, or when the bytes end early
 */
export function unpickle(
  bytes: Uint8Array,
  options: PickleOptions,
  start = 0,
): { value: unknown; end: number } {
  return new Unpickler(bytes, options, start).run();
}

class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #options: PickleOptions;
  readonly #stack: unknown[] = [];
  readonly #memo = new Map<number, unknown>();
  #at: number;

  constructor(bytes: Uint8Array, options: PickleOptions, start: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#options = options;
    this.#at = start;
  }

  run(): { value: unknown; end: number } {
    for (;;) {
      const code = this.#byte();
      if (code === 0x2e) return { value: this.#pop(), end: this.#at };
      if (!this.#scalar(code) && !this.#container(code) && !this.#object(code))
        throw this.#bad(`the operation 0x${code.toString(16)} is not one that data need`);
    }
  }

  /** Numbers, texts, bytes. */
  #scalar(code: number): boolean {
    switch (code) {
      case 0x80: {
        const protocol = this.#byte();
        if (protocol < 2 || protocol > 5) throw this.#bad(`protocol ${protocol} is not 2 to 5`);
        return true;
      }
      case 0x95:
        this.#take(8); // frame length; frames need no action
        return true;
      case 0x4e:
        return this.#push(null);
      case 0x88:
        return this.#push(true);
      case 0x89:
        return this.#push(false);
      case 0x4a:
        return this.#push(this.#view.getInt32(this.#take(4), true));
      case 0x4b:
        return this.#push(this.#byte());
      case 0x4d:
        return this.#push(this.#view.getUint16(this.#take(2), true));
      case 0x8a:
        return this.#push(this.#long(this.#byte()));
      case 0x47:
        return this.#push(this.#view.getFloat64(this.#take(8), false));
      case 0x58:
        return this.#push(this.#text(this.#uint32()));
      case 0x8c:
        return this.#push(this.#text(this.#byte()));
      case 0x8d:
        return this.#push(this.#text(this.#uint64()));
      case 0x55:
        return this.#push(this.#text(this.#byte()));
      case 0x54:
        return this.#push(this.#text(this.#uint32()));
      case 0x42:
        return this.#push(this.#slice(this.#uint32()));
      case 0x43:
        return this.#push(this.#slice(this.#byte()));
      case 0x8e:
      case 0x96:
        return this.#push(this.#slice(this.#uint64()));
      default:
        return false;
    }
  }

  /** Lists, tuples, dictionaries, sets, the memo. */
  #container(code: number): boolean {
    switch (code) {
      case 0x28:
        return this.#push(MARK);
      case 0x30:
        this.#pop();
        return true;
      case 0x31:
        this.#popToMark();
        return true;
      case 0x32:
        return this.#push(this.#top());
      case 0x5d:
      case 0x29:
        return this.#push([]);
      case 0x85:
        return this.#push(this.#popMany(1));
      case 0x86:
        return this.#push(this.#popMany(2));
      case 0x87:
        return this.#push(this.#popMany(3));
      case 0x74:
      case 0x6c:
        return this.#push(this.#popToMark());
      case 0x7d:
        return this.#push(new Map());
      case 0x8f:
        return this.#push(new Set());
      case 0x91:
        return this.#push(new Set(this.#popToMark()));
      case 0x61:
        return this.#append([this.#pop()]);
      case 0x65:
        return this.#append(this.#popToMark());
      case 0x90: {
        const items = this.#popToMark();
        const set = this.#top();
        if (!(set instanceof Set)) throw this.#bad('items are added to what is no set');
        for (const item of items) set.add(item);
        return true;
      }
      case 0x73:
        return this.#setItems(this.#popMany(2));
      case 0x75:
        return this.#setItems(this.#popToMark());
      case 0x71:
        return this.#remember(this.#byte());
      case 0x72:
        return this.#remember(this.#uint32());
      case 0x94:
        return this.#remember(this.#memo.size);
      case 0x68:
        return this.#push(this.#recall(this.#byte()));
      case 0x6a:
        return this.#push(this.#recall(this.#uint32()));
      default:
        return false;
    }
  }

  /** Names, calls, states, persistent ids. */
  #object(code: number): boolean {
    switch (code) {
      case 0x63:
        return this.#push(this.#global(this.#line(), this.#line()));
      case 0x93: {
        const [module, name] = this.#popMany(2);
        return this.#push(this.#global(String(module), String(name)));
      }
      case 0x52:
      case 0x81: {
        const [callee, args] = this.#popMany(2);
        if (!(callee instanceof Allowed) || !Array.isArray(args))
          throw this.#bad('it calls what is no allowed name');
        return this.#push(callee.value.call(args));
      }
      case 0x62: {
        const state = this.#pop();
        const target = this.#top();
        if (isStateful(target)) target.setState(state);
        else if (!(target instanceof Map)) throw this.#bad('it sets the state of a plain value');
        return true;
      }
      case 0x51: {
        const { persistent } = this.#options;
        if (persistent === undefined) throw this.#bad('it refers to objects outside the file');
        return this.#push(persistent(this.#pop()));
      }
      default:
        return false;
    }
  }

  #global(module: string, name: string): Allowed {
    const full = `${module}.${name}`;
    const value = Object.hasOwn(this.#options.globals, full) ? this.#options.globals[full] : undefined;
    if (value === undefined)
      throw this.#bad(`it asks for \`${full}\`, which data never need; nothing was run`);
    return new Allowed(full, value);
  }

  #append(items: unknown[]): true {
    const list = this.#top();
    if (!Array.isArray(list)) throw this.#bad('items are appended to what is no list');
    for (const item of items) list.push(item);
    return true;
  }

  #setItems(items: unknown[]): true {
    const map = this.#top();
    if (!(map instanceof Map) || items.length % 2 !== 0)
      throw this.#bad('keys are set on what is no dictionary');
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
    return true;
  }

  #remember(index: number): true {
    this.#memo.set(index, this.#top());
    return true;
  }

  #recall(index: number): unknown {
    if (!this.#memo.has(index)) throw this.#bad(`nothing was remembered as ${index}`);
    return this.#memo.get(index);
  }

  #push(value: unknown): true {
    this.#stack.push(value);
    return true;
  }

  #pop(): unknown {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }

  #top(): unknown {
    const value = this.#stack.at(-1);
    if (value === undefined || value === MARK) throw this.#bad('it takes a value where there is none');
    return value;
  }

  #popMany(count: number): unknown[] {
    return Array.from({ length: count }, () => this.#pop()).reverse();
  }

  #popToMark(): unknown[] {
    const at = this.#stack.lastIndexOf(MARK);
    if (at < 0) throw this.#bad('a mark is missing');
    const items = this.#stack.splice(at);
    items.shift();
    return items;
  }

  #byte(): number {
    return this.#view.getUint8(this.#take(1));
  }

  #uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  #uint64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  #long(length: number): number | bigint {
    const bytes = this.#slice(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
    if (length > 0) value = BigInt.asIntN(8 * length, value);
    return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
      ? Number(value)
      : value;
  }

  #text(length: number): string {
    return new TextDecoder().decode(this.#slice(length));
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0 || end - this.#at > 1000) throw this.#bad('a name has no end');
    const text = this.#text(end - this.#at);
    this.#take(1);
    return text;
  }

  #slice(length: number): Uint8Array {
    const from = this.#take(length);
    return this.#bytes.subarray(from, from + length);
  }

  #take(length: number): number {
    const from = this.#at;
    if (!(from + length <= this.#bytes.length)) throw this.#bad('it ends too early');
    this.#at = from + length;
    return from;
  }

  #bad(what: string): DataError {
    return new DataError(`the pickle is refused at byte ${this.#at}: ${what}`);
  }
}

function isStateful(value: unknown): value is Stateful {
  return (
    typeof value === 'object' && value !== null && 'setState' in value && typeof value.setState === 'function'
  );
}
