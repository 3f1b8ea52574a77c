import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder, writeAtomic, writeFileAtomic } from '../../core/files.js';
import { maskedCrc32c } from '../../io/crc32c.js';
import { TYPE_NUMBERS } from '../../tf/index.js';
import { Message } from '../protobuf.js';
import type { ConstantTensor } from './graphDef.js';
import { shapeMessage } from './messages.js';

/** Ends every table of TensorFlow's (and LevelDB's) format. */
const MAGIC = 0xdb4775248b80fb57n;
/** Two places of blocks, filled up to this length, before the magic number. */
const FOOTER_BYTES = 40;

/**
 * Writes variables as TensorFlow's checkpoint: `prefix.index`, a sorted table of where each lies and its checksum, and
 * `prefix.data-00000-of-00001`, their values one after another. Little more than the index is held.
 *
 * @returns the size of both files in bytes
 */
export async function writeCheckpoint(
  prefix: string,
  variables: ReadonlyMap<string, ConstantTensor>,
): Promise<number> {
  await makeFolder(dirname(prefix));
  const rows: [key: string, value: Uint8Array][] = [['', bytesOf(header())]];
  let offset = 0;
  await writeAtomic(`${prefix}.data-00000-of-00001`, async (temporary) => {
    const file = await open(temporary, 'wx');
    try {
      for (const [name, tensor] of variables) {
        const { data } = tensor;
        const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
        await file.writeFile(bytes);
        rows.push([name, bytesOf(entry(tensor, offset, bytes))]);
        offset += bytes.length;
      }
      await file.sync();
    } finally {
      await file.close();
    }
  });
  const index = table(rows);
  await writeFileAtomic(`${prefix}.index`, index);
  return offset + index.length;
}

/** BundleHeaderProto: one data file, little-endian, version 1 of the format. */
const header = (): Message => new Message().int(1, 1).int(2, 0).message(3, new Message().int(1, 1));

/** BundleEntryProto. */
function entry({ dtype, shape }: ConstantTensor, offset: number, bytes: Uint8Array): Message {
  const message = new Message().int(1, TYPE_NUMBERS[dtype]).message(2, shapeMessage(shape)).int(3, 0);
  return message.int(4, offset).int(5, bytes.length).fixed32(6, maskedCrc32c(bytes));
}

/** A sorted table of one block of rows, an empty block of further facts, and the block that tells where the first lies. */
function table(rows: readonly (readonly [key: string, value: Uint8Array])[]): Uint8Array {
  const sorted = rows
    .map(([key, value]) => ({ key: Buffer.from(key), value }))
    .sort((a, b) => a.key.compare(b.key));
  const last = sorted.at(-1)?.key ?? Buffer.alloc(0);
  const parts: Uint8Array[] = [];
  let at = 0;
  const place = (contents: Uint8Array): Uint8Array => {
    const typed = Buffer.concat([contents, Uint8Array.of(0)]); // not compressed
    const where = Buffer.concat([varint(at), varint(contents.length)]);
    parts.push(typed, uint32(maskedCrc32c(typed)));
    at += typed.length + 4;
    return where;
  };
  const data = place(block(sorted));
  const facts = place(block([]));
  const index = place(block([{ key: last, value: data }]));
  const magic = Buffer.alloc(8);
  magic.writeBigUInt64LE(MAGIC);
  const places = Buffer.concat([facts, index]);
  return Buffer.concat([...parts, places, Buffer.alloc(FOOTER_BYTES - places.length), magic]);
}

/** Rows with whole keys, each a place where a reader may start, and the list of these places. */
function block(rows: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const starts: number[] = [];
  let at = 0;
  for (const { key, value } of rows) {
    starts.push(at);
    const row = Buffer.concat([varint(0), varint(key.length), varint(value.length), key, value]);
    parts.push(row);
    at += row.length;
  }
  if (starts.length === 0) starts.push(0);
  return Buffer.concat([...parts, ...starts.map(uint32), uint32(starts.length)]);
}

const bytesOf = (message: Message): Uint8Array => Buffer.concat(message.pieces);

function varint(value: number): Uint8Array {
  const out: number[] = [];
  let rest = value;
  do {
    out.push((rest % 128) | (rest > 127 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Uint8Array.from(out);
}

function uint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
