import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { OutputError } from '../core/errors.js';
import { writeAtomic } from '../core/files.js';

const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END = 0x06054b50;
const FULL32 = 0xffffffff;

interface Entry {
  readonly name: string;
  readonly data: Uint8Array;
}

/**
 * Writes a zip archive of stored entries, each starting at a multiple of 64 bytes, one at a time and atomically.
 *
 * @throws OutputError when it would pass 4 GiB, or the place is not writable
 */
export async function writeZip(path: string, entries: Iterable<Entry> | AsyncIterable<Entry>): Promise<void> {
  await writeAtomic(path, async (temporary) => {
    const file = await open(temporary, 'wx');
    try {
      const directory: Buffer[] = [];
      let at = 0;
      for await (const { name, data } of entries) {
        const text = Buffer.from(name);
        const padding = 4 + ((64 - ((at + 34 + text.length) % 64)) % 64);
        const fixed = fixedFields(text.length, padding, data);
        const header = Buffer.concat([uint32(LOCAL), fixed, text, paddingField(padding)]);
        await file.writeFile(header);
        if (data.length > 0) await file.writeFile(data);
        directory.push(
          Buffer.concat([
            uint32(CENTRAL),
            Buffer.from([20, 0]),
            fixed.subarray(0, 24),
            Buffer.alloc(12),
            uint32(at),
            text,
          ]),
        );
        directory.at(-1)?.writeUInt16LE(0, 30);
        at += header.length + data.length;
        if (at > FULL32)
          throw new OutputError(`${path} would be larger than 4 GiB`, {
            where: path,
            fix: 'save as .safetensors',
          });
      }
      const central = Buffer.concat(directory);
      const end = Buffer.alloc(22);
      end.writeUInt32LE(END, 0);
      end.writeUInt16LE(directory.length, 8);
      end.writeUInt16LE(directory.length, 10);
      end.writeUInt32LE(central.length, 12);
      end.writeUInt32LE(at, 16);
      await file.writeFile(Buffer.concat([central, end]));
      await file.sync();
    } finally {
      await file.close();
    }
  });
}

/** Version needed to extra length: what the local and the central header share. */
function fixedFields(nameLength: number, extraLength: number, data: Uint8Array): Buffer {
  const b = Buffer.alloc(26);
  b.writeUInt16LE(20, 0);
  b.writeUInt16LE(0x0800, 2); // names in UTF-8
  b.writeUInt16LE(0x21, 8); // 1980-01-01, so that equal content gives equal files
  b.writeUInt32LE(crc32(data), 10);
  b.writeUInt32LE(data.length, 14);
  b.writeUInt32LE(data.length, 18);
  b.writeUInt16LE(nameLength, 22);
  b.writeUInt16LE(extraLength, 24);
  return b;
}

function paddingField(length: number): Buffer {
  const b = Buffer.alloc(length);
  b.writeUInt16LE(0x4246, 0);
  b.writeUInt16LE(length - 4, 2);
  return b;
}

function uint32(value: number): Buffer {
  const b = Buffer.alloc(4);
  b.writeUInt32LE(value);
  return b;
}
