import { PickleBytes } from './pickleBytes.js';
import { MARK, PickleStack } from './pickleStack.js';

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
  readonly #bytes: PickleBytes;
  readonly #stack: PickleStack;
  readonly #options: PickleOptions;

  constructor(bytes: Uint8Array, options: PickleOptions, start: number) {
    this.#bytes = new PickleBytes(bytes, start);
    this.#stack = new PickleStack((what) => this.#bytes.refusal(what));
    this.#options = options;
  }

  run(): { value: unknown; end: number } {
    for (;;) {
      const code = this.#bytes.byte();
      if (code === 0x2e) return { value: this.#stack.pop(), end: this.#bytes.at };
      if (!this.#scalar(code) && !this.#container(code) && !this.#object(code))
        throw this.#bytes.refusal(`the operation 0x${code.toString(16)} is not one that data need`);
    }
  }

  /** Numbers, texts, bytes. */
  #scalar(code: number): boolean {
    switch (code) {
      case 0x80: {
        const protocol = this.#bytes.byte();
        if (protocol < 2 || protocol > 5) throw this.#bytes.refusal(`protocol ${protocol} is not 2 to 5`);
        return true;
      }
      case 0x95:
        this.#bytes.take(8); // frame length; frames need no action
        return true;
      case 0x4e:
        return this.#stack.push(null);
      case 0x88:
        return this.#stack.push(true);
      case 0x89:
        return this.#stack.push(false);
      case 0x4a:
        return this.#stack.push(this.#bytes.int32());
      case 0x4b:
        return this.#stack.push(this.#bytes.byte());
      case 0x4d:
        return this.#stack.push(this.#bytes.uint16());
      case 0x8a:
        return this.#stack.push(this.#bytes.long(this.#bytes.byte()));
      case 0x47:
        return this.#stack.push(this.#bytes.float64());
      case 0x58:
        return this.#stack.push(this.#bytes.text(this.#bytes.uint32()));
      case 0x8c:
        return this.#stack.push(this.#bytes.text(this.#bytes.byte()));
      case 0x8d:
        return this.#stack.push(this.#bytes.text(this.#bytes.uint64()));
      case 0x55:
        return this.#stack.push(this.#bytes.text(this.#bytes.byte()));
      case 0x54:
        return this.#stack.push(this.#bytes.text(this.#bytes.uint32()));
      case 0x42:
        return this.#stack.push(this.#bytes.slice(this.#bytes.uint32()));
      case 0x43:
        return this.#stack.push(this.#bytes.slice(this.#bytes.byte()));
      case 0x8e:
      case 0x96:
        return this.#stack.push(this.#bytes.slice(this.#bytes.uint64()));
      default:
        return false;
    }
  }

  /** Lists, tuples, dictionaries, sets, the memo. */
  #container(code: number): boolean {
    switch (code) {
      case 0x28:
        return this.#stack.push(MARK);
      case 0x30:
        this.#stack.pop();
        return true;
      case 0x31:
        this.#stack.popToMark();
        return true;
      case 0x32:
        return this.#stack.push(this.#stack.top());
      case 0x5d:
      case 0x29:
        return this.#stack.push([]);
      case 0x85:
        return this.#stack.push(this.#stack.popMany(1));
      case 0x86:
        return this.#stack.push(this.#stack.popMany(2));
      case 0x87:
        return this.#stack.push(this.#stack.popMany(3));
      case 0x74:
      case 0x6c:
        return this.#stack.push(this.#stack.popToMark());
      case 0x7d:
        return this.#stack.push(new Map());
      case 0x8f:
        return this.#stack.push(new Set());
      case 0x91:
        return this.#stack.push(new Set(this.#stack.popToMark()));
      case 0x61:
        return this.#append([this.#stack.pop()]);
      case 0x65:
        return this.#append(this.#stack.popToMark());
      case 0x90: {
        const items = this.#stack.popToMark();
        const set = this.#stack.top();
        if (!(set instanceof Set)) throw this.#bytes.refusal('items are added to what is no set');
        for (const item of items) set.add(item);
        return true;
      }
      case 0x73:
        return this.#setItems(this.#stack.popMany(2));
      case 0x75:
        return this.#setItems(this.#stack.popToMark());
      case 0x71:
        return this.#stack.remember(this.#bytes.byte());
      case 0x72:
        return this.#stack.remember(this.#bytes.uint32());
      case 0x94:
        return this.#stack.remember();
      case 0x68:
        return this.#stack.push(this.#stack.recall(this.#bytes.byte()));
      case 0x6a:
        return this.#stack.push(this.#stack.recall(this.#bytes.uint32()));
      default:
        return false;
    }
  }

  /** Names, calls, states, persistent ids. */
  #object(code: number): boolean {
    switch (code) {
      case 0x63:
        return this.#stack.push(this.#global(this.#bytes.line(), this.#bytes.line()));
      case 0x93: {
        const [module, name] = this.#stack.popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string')
          throw this.#bytes.refusal('it asks for a name that is no text');
        return this.#stack.push(this.#global(module, name));
      }
      case 0x52:
      case 0x81: {
        const [callee, args] = this.#stack.popMany(2);
        if (!(callee instanceof Allowed) || !Array.isArray(args))
          throw this.#bytes.refusal('it calls what is no allowed name');
        return this.#stack.push(callee.value.call(args));
      }
      case 0x62: {
        const state = this.#stack.pop();
        const target = this.#stack.top();
        if (isStateful(target)) target.setState(state);
        else if (!(target instanceof Map)) throw this.#bytes.refusal('it sets the state of a plain value');
        return true;
      }
      case 0x51: {
        const { persistent } = this.#options;
        if (persistent === undefined) throw this.#bytes.refusal('it refers to objects outside the file');
        return this.#stack.push(persistent(this.#stack.pop()));
      }
      default:
        return false;
    }
  }

  #global(module: string, name: string): Allowed {
    const full = `${module}.${name}`;
    const value = Object.hasOwn(this.#options.globals, full) ? this.#options.globals[full] : undefined;
    if (value === undefined)
      throw this.#bytes.refusal(`it asks for \`${full}\`, which data never need; nothing was run`);
    return new Allowed(full, value);
  }

  #append(items: unknown[]): true {
    const list = this.#stack.top();
    if (!Array.isArray(list)) throw this.#bytes.refusal('items are appended to what is no list');
    for (const item of items) list.push(item);
    return true;
  }

  #setItems(items: unknown[]): true {
    const map = this.#stack.top();
    if (!(map instanceof Map) || items.length % 2 !== 0)
      throw this.#bytes.refusal('keys are set on what is no dictionary');
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
    return true;
  }
}

function isStateful(value: unknown): value is Stateful {
  return (
    typeof value === 'object' && value !== null && 'setState' in value && typeof value.setState === 'function'
  );
}
