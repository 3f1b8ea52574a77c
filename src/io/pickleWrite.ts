/** A value that a pickle can hold; the three kinds of objects make what data alone cannot. */
export type Picklable =
  | null
  | boolean
  | number
  | string
  | readonly Picklable[]
  | { readonly kind: 'global'; readonly module: string; readonly name: string }
  | { readonly kind: 'call'; readonly callee: Picklable; readonly args: readonly Picklable[] }
  | { readonly kind: 'persistent'; readonly id: Picklable }
  /** An object made without arguments, filled like a dictionary. */
  | {
      readonly kind: 'items';
      readonly made: Picklable;
      readonly items: readonly (readonly [string, Picklable])[];
    };

const PROTOCOL_2 = [0x80, 2];
const STOP = 0x2e;

/** One pickle of protocol 2; arrays become tuples. @throws RangeError for numbers that are no integers */
export function pickle(value: Picklable): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.from(PROTOCOL_2)];
  write(value, parts);
  parts.push(Uint8Array.of(STOP));
  return Buffer.concat(parts);
}

function write(value: Picklable, out: Uint8Array[]): void {
  const op = (code: string) => out.push(Buffer.from(code, 'latin1'));
  if (value === null) op('N');
  else if (value === true) op('\x88');
  else if (value === false) op('\x89');
  else if (typeof value === 'number') out.push(integer(value));
  else if (typeof value === 'string') out.push(text(value));
  else if (isTuple(value)) {
    op('(');
    for (const item of value) write(item, out);
    op('t');
  } else if (value.kind === 'global') op(`c${value.module}\n${value.name}\n`);
  else if (value.kind === 'call') {
    write(value.callee, out);
    write(value.args, out);
    op('R');
  } else if (value.kind === 'persistent') {
    write(value.id, out);
    op('Q');
  } else {
    write(value.made, out);
    op('(');
    for (const [key, item] of value.items) {
      write(key, out);
      write(item, out);
    }
    op('u');
  }
}

function isTuple(value: Picklable): value is readonly Picklable[] {
  return Array.isArray(value);
}

function integer(value: number): Uint8Array {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no integer`);
  if (value >= -(2 ** 31) && value < 2 ** 31) {
    const bytes = Buffer.alloc(5, 'J');
    bytes.writeInt32LE(value, 1);
    return bytes;
  }
  const bytes = Buffer.alloc(10);
  bytes.set([0x8a, 8]);
  bytes.writeBigInt64LE(BigInt(value), 2);
  return bytes;
}

function text(value: string): Uint8Array {
  const utf8 = Buffer.from(value);
  const head = Buffer.alloc(5, 'X');
  head.writeUInt32LE(utf8.length, 1);
  return Buffer.concat([head, utf8]);
}
