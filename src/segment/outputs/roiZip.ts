import { writeFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { doubleArea, type Polygon, type Ring } from '../../image/polygons.js';
import type { Output } from './output.js';

/** ImageJ's ROI manager: the outline of each cell's largest piece; holes cannot be told in this form. */
export const roiZip: Output = {
  suffix: '_rois.zip',
  about: 'outlines for ImageJ (ROI zip)',
  async write({ cells }, path) {
    const entries = cells.toPolygons().map((polygon): [string, Buffer] => {
      const name = String(polygon.label).padStart(5, '0');
      return [`${name}.roi`, roiBytes(largest(polygon), name)];
    });
    await writeFile(path, storedZip(entries));
  },
};

function largest(polygon: Polygon): Ring {
  const outlines = polygon.parts.map(([outline]) => outline);
  return outlines.reduce((best, ring) => (doubleArea(ring) > doubleArea(best) ? ring : best));
}

/** ImageJ's form: a header of 64 bytes, corners as 16-bit offsets from the bounds, then a second header with the name. */
function roiBytes(ring: Ring, name: string): Buffer {
  const count = ring.length / 2;
  const xs = ring.filter((_, i) => i % 2 === 0);
  const ys = ring.filter((_, i) => i % 2 === 1);
  const left = xs.reduce((a, b) => Math.min(a, b));
  const top = ys.reduce((a, b) => Math.min(a, b));
  const second = 64 + count * 4;
  const out = Buffer.alloc(second + 64 + name.length * 2);
  out.write('Iout', 0, 'latin1');
  out.writeInt16BE(228, 4); // version
  out.writeUInt8(0, 6); // polygon
  out.writeUInt16BE(top, 8);
  out.writeUInt16BE(left, 10);
  out.writeUInt16BE(
    ys.reduce((a, b) => Math.max(a, b)),
    12,
  );
  out.writeUInt16BE(
    xs.reduce((a, b) => Math.max(a, b)),
    14,
  );
  out.writeUInt16BE(count, 16);
  out.writeInt32BE(second, 60);
  for (let i = 0; i < count; i++) {
    out.writeUInt16BE((xs[i] as number) - left, 64 + i * 2);
    out.writeUInt16BE((ys[i] as number) - top, 64 + count * 2 + i * 2);
  }
  out.writeInt32BE(second + 64, second + 16); // where the name is
  out.writeInt32BE(name.length, second + 20);
  for (let i = 0; i < name.length; i++) out.writeUInt16BE(name.charCodeAt(i), second + 64 + i * 2);
  return out;
}

/** A zip of small uncompressed files; empty is a valid zip too. */
function storedZip(entries: readonly (readonly [name: string, data: Buffer])[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, data] of entries) {
    const common = Buffer.alloc(26); // what the local and the central header share
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(0x21, 8); // 1 January 1980
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(name.length, 22);
    const title = Buffer.from(name, 'latin1');
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, title, data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, tail, title);
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, end]);
}
