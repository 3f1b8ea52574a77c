import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { zipSync } from 'fflate';
import { DataError } from '../../src/core/errors.js';
import { Random } from '../../src/core/random.js';
import { type FormatName, formatNamed } from '../../src/data/formats/formats.js';
import { layoutsOf } from '../../src/data/formats/recognise.js';
import { readPixelImage } from '../../src/data/readImage.js';
import { decodeFile } from '../../src/io/decode.js';
import { temporaryFolder, writeFiles } from '../support/temporary.js';

const FIXTURES = 'test/fixtures/formats/images';
const images = readdirSync(FIXTURES).filter((name) => !/json$|zarr$/.test(name));
const SECONDS = 1000;

/** What a reader did with a file: it must say what is wrong, never hang, and never throw anything else. */
async function outcome(path: string, variable?: string): Promise<'read' | 'refused'> {
  try {
    await decodeFile(path, variable);
    return 'read';
  } catch (thrown) {
    if (!(thrown instanceof DataError)) throw thrown;
    expect(thrown.message).toContain(path.split('/').at(-1));
    return 'refused';
  }
}

describe('a damaged file of any kind is refused by name', () => {
  test.each(images)('%s cut to a quarter, a half, and nothing', async (name) => {
    const sound = readFileSync(join(FIXTURES, name));
    const path = join(temporaryFolder(), name);
    for (const share of [0, 0.25, 0.5]) {
      writeFileSync(path, sound.subarray(0, Math.floor(sound.length * share)));
      expect([share, await outcome(path, 'inst_map')]).toEqual([share, 'refused']);
    }
  });

  test(
    'with bytes changed at random it is read or refused, and nothing else happens',
    async () => {
      const folder = temporaryFolder();
      const random = new Random('hostile');
      for (const name of images) {
        const sound = readFileSync(join(FIXTURES, name));
        for (let round = 0; round < 6; round++) {
          const bent = Buffer.from(sound);
          for (let k = 0; k < 4; k++) bent[random.integer(bent.length)] = random.integer(256);
          writeFileSync(join(folder, name), bent);
          expect(['read', 'refused']).toContain(await outcome(join(folder, name), 'inst_map'));
        }
      }
    },
    60 * SECONDS,
  );
});

/** Little-endian TIFF with one directory. */
function tiff(fields: readonly (readonly [tag: number, type: number, value: number])[], next = 0): Buffer {
  const out = Buffer.alloc(8 + 2 + fields.length * 12 + 4);
  out.write('II*\0', 0, 'latin1');
  out.writeUInt32LE(8, 4);
  out.writeUInt16LE(fields.length, 8);
  for (const [i, [tag, type, value]] of fields.entries()) {
    const at = 10 + i * 12;
    out.writeUInt16LE(tag, at);
    out.writeUInt16LE(type, at + 2);
    out.writeUInt32LE(1, at + 4);
    out.writeUInt32LE(value, at + 8);
  }
  out.writeUInt32LE(next, 10 + fields.length * 12);
  return out;
}

const HUGE = 100_000;
const LONG = 4;
const hugeTiff = [[256, HUGE], [257, HUGE], [258, 8], [259, 1], [262, 1], [273, 8], [277, 1], [278, HUGE], [279, 9]] as const; // biome-ignore format: a table

function hugePng(): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(HUGE, 0);
  header.writeUInt32BE(HUGE, 4);
  header.set([8, 0, 0, 0, 0], 8);
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc(99))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function hugeBmp(): Buffer {
  const out = Buffer.alloc(60);
  out.write('BM', 0, 'latin1');
  for (const [at, value] of [[10, 54], [14, 40], [18, HUGE], [22, HUGE]] as const) out.writeUInt32LE(value, at); // biome-ignore format: a table
  out.writeUInt16LE(24, 28);
  return out;
}

function npy(descr: string, shape: string, data: Uint8Array): Buffer {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }\n`;
  const length = Buffer.from([header.length & 255, header.length >> 8]);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(header), data]);
}

const pickle = (code: string): Buffer => npy('|O', '()', Buffer.from(code, 'latin1'));
const nan = Buffer.from(Float32Array.of(1, Number.NaN, 2, 3).buffer);

describe('a hostile image ends in a sentence within seconds', () => {
  test.each<readonly [name: string, bytes: Buffer, sentence: RegExp]>([
    ['huge.png', hugePng(), /claims 100000 x 100000/],
    ['huge.tif', tiff(hugeTiff.map(([tag, value]) => [tag, LONG, value])), /claims|cannot be read/],
    ['ring.tif', tiff([[256, LONG, 2]], 8), /endless ring/],
    ['huge.bmp', hugeBmp(), /claims 100000 x 100000/],
    ['huge.npy', npy('<u2', '(100000, 100000)', Buffer.alloc(9)), /claims 100000 x 100000/],
    ['negative.npy', npy('<u2', '(-1, 4)', Buffer.alloc(9)), /has no shape/],
    ['bomb.nii.gz', gzipSync(Buffer.alloc(1 << 20)), /no NIfTI/],
    [
      'system_seg.npy',
      pickle("cposix\nsystem\n(S'touch pwned'\ntR."),
      /refused.*posix\.system.*nothing was run|0x53/,
    ],
    [
      'eval_seg.npy',
      pickle('\x80\x02cbuiltins\neval\nX\x05\x00\x00\x001/0+1\x85R.'),
      /builtins\.eval.*nothing was run/,
    ],
    ['memo_seg.npy', pickle('\x80\x02jABCD.'), /nothing was remembered/],
    ['list_seg.npy', pickle('\x80\x02].'), /no array `masks`/],
    ['slide.nd2', Buffer.from('anything'), /vendor's own format \.nd2/],
  ])(
    '%s',
    async (name, bytes, sentence) => {
      const path = join(temporaryFolder(), name);
      writeFileSync(path, bytes);
      await expect(decodeFile(path)).rejects.toThrow(sentence);
      expect(existsSync('pwned')).toBe(false);
    },
    10 * SECONDS,
  );

  test('pixels that are not numbers are refused where they are', async () => {
    const path = join(temporaryFolder(), 'nan.npy');
    writeFileSync(path, npy('<f4', '(2, 2)', nan));
    await expect(readPixelImage(path)).rejects.toThrow(/NaN at \(1, 0\)/);
  });

  test('a Zarr folder that claims too much, leads out, or is no JSON', async () => {
    const root = temporaryFolder();
    const array = { zarr_format: 2, shape: [HUGE, HUGE], chunks: [HUGE, HUGE], dtype: '<u2', compressor: null, fill_value: 0, order: 'C', filters: null }; // biome-ignore format: one array
    const out = { multiscales: [{ axes: [{ name: 'y' }, { name: 'x' }], datasets: [{ path: '../../x' }] }] };
    writeFiles(root, {
      'huge.zarr/.zarray': JSON.stringify(array),
      'out.zarr/.zgroup': '{"zarr_format":2}',
      'out.zarr/.zattrs': JSON.stringify(out),
      'text.zarr/.zgroup': 'none',
      'text.zarr/.zattrs': 'none',
    });
    await expect(decodeFile(join(root, 'huge.zarr'))).rejects.toThrow(/claims 100000/);
    await expect(decodeFile(join(root, 'out.zarr'))).rejects.toThrow(/leads out/);
    await expect(decodeFile(join(root, 'text.zarr'))).rejects.toThrow(DataError);
  });
});

const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
const laughs = `<!DOCTYPE a [<!ENTITY b "${'c'.repeat(99)}">]><annotation>&b;</annotation>`;
const field = readFileSync(`test/fixtures/formats/coco/images/field.png`);
const named = '{"images":[{"id":1,"file_name":"field.png"}],"annotations":[{"image_id":1,"segmentation":';

describe('a hostile annotation is refused by its layout', () => {
  test.each<readonly [type: FormatName, file: string, content: string | Uint8Array, sentence: RegExp]>([
    ['coco', 'a.json', `{"images":${deep}}`, /64 levels deep/],
    ['coco', 'a.json', '{"images":[{"id":1,"file_name":"field.png"}', /cut short/],
    ['coco', 'a.json', `${named}{"size":[30,40],"counts":[999999]}}]}`, /runs cover 999999 of 1200/],
    ['coco', 'a.json', `${named}{"size":[30,40],"counts":"~~~~~"}}]}`, /packed runs are damaged/],
    ['coco', 'a.json', `${named}[[0,0,1e999,3,"x",5]]}]}`, /not COCO's/],
    ['coco', 'a.json', '{"images":[{"id":1,"file_name":"../../../etc/passwd"}]}', /are not below/],
    ['geojson', 'field.geojson', `{"features":${deep}}`, /64 levels deep/],
    [
      'geojson',
      'field.geojson',
      '{"features":[{"geometry":{"type":"Polygon","coordinates":[[1,2]]}}]}',
      /no pair of numbers/,
    ],
    ['labelme', 'field.json', `{"shapes":${deep}}`, /64 levels deep/],
    ['labelme', 'field.json', '{"shapes":[],"imageHeight":9,"imageWidth":9}', /drawn on 9 x 9/],
    ['voc', 'field.xml', laughs, /not plain XML/],
    ['voc', 'field.xml', '<a>'.repeat(5000), /100 deep/],
    ['voc', 'field.xml', '<annotation><object><bndbox></annotation>', /closes what is not open/],
    ['points', 'field.txt', '1 2 3\none two', /line 2/],
    ['yolo', 'field.txt', '0 20 20 5 5', /shares of the image's sides/],
    ['yoloMasks', 'field.txt', '0 0.1 0.1 0.2 0.2', /encloses nothing/],
    ['csvBoxes', 'a.csv', 'image,xmin,ymin,xmax,ymax\n"field.png,1,2,3,4', /no end/],
    ['roiZip', 'field.roi', 'Iout but not really', /no ROI of ImageJ/],
    ['roiZip', 'field.zip', zipSync({ '../../x.roi': new Uint8Array(9) }), /leads out of the archive/],
    ['npzArrays', 'a.npz', zipSync({ '../X.npy': new Uint8Array(9) }), /leads out of the archive/],
    [
      'npzArrays',
      'a.npz',
      zipSync({ 'X.npy': npy('|O', '(3,)', Buffer.alloc(9)), 'y.npy': npy('<u2', '(3,)', Buffer.alloc(9)) }),
      /supported number type|not one/,
    ],
    ['tfrecord', 'a.tfrecord', 'no record at all', /no TFRecord file/],
    ['outlineTiles', 'x_Brightfield.png', field, /no text `Description`/],
    ['dsb2018', 'a/images/a.png', 'no image', /no masks/],
    ['maskPairs', 'field_masks.tif', tiff([[256, LONG, 2]], 8), /endless ring/],
    ['volumes', 'field_masks.tif', tiff([[256, LONG, 2]], 8), /endless ring/],
    ['omeZarr', 'a.zarr/.zgroup', '{}', /no label image/],
  ])(
    '%s: %s %#',
    async (type, file, content, sentence) => {
      const root = temporaryFolder();
      writeFiles(root, { 'field.png': field, [file]: content });
      const format = await formatNamed(
        type,
        type === 'maskPairs' || type === 'volumes' ? { images: '{id}.png', masks: '{id}_masks.tif' } : {},
      );
      const readAll = async () => {
        for (const ref of await format.list(root)) await format.read(root, ref);
      };
      const error = await readAll().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(DataError);
      const { message, problems } = error as DataError;
      expect([message, ...problems.map((problem) => problem.message)].join('\n')).toMatch(sentence);
      await layoutsOf(root); // looks at the same files and never throws
    },
    20 * SECONDS,
  );

  test('recognising survives a folder of all of it', async () => {
    const root = temporaryFolder();
    cpSync(FIXTURES, join(root, 'images'), { recursive: true });
    mkdirSync(join(root, 'masks'));
    writeFiles(root, {
      'a.json': deep,
      'b.xml': laughs,
      'c.csv': '"',
      'd.txt': '\0\0',
      'e.zip': '',
      'f.npz': 'x',
    });
    expect(Array.isArray(await layoutsOf(root))).toBe(true);
  });
});
