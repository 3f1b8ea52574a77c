import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { silent } from '../../src/core/events.js';
import { sha256 } from '../../src/core/hash.js';
import { npyOf } from '../../src/io/npyWrite.js';
import { writePng } from '../../src/io/png.js';
import { check } from '../../src/jobs/check.js';
import { describeWithShared } from '../support/shared.js';
import { temporaryFolder, writeFiles } from '../support/temporary.js';

const quiet = { emit: silent };
const SIDE = 24;

/** Squares of 4 px on a grid, the k-th with the value that is given for it. */
function squares(idOf: (k: number) => number, count = 9): Uint8Array {
  const data = new Uint8Array(SIDE * SIDE);
  for (let k = 0; k < count; k++)
    for (let y = 0; y < 4; y++)
      data.fill(
        idOf(k),
        (8 * Math.floor(k / 3) + y) * SIDE + 8 * (k % 3),
        (8 * Math.floor(k / 3) + y) * SIDE + 8 * (k % 3) + 4,
      );
  return data;
}

/** A pixel each at even places, 256 of them; id 1 stands twice, as after 255 in 8 bits. */
function wrapped(): { data: Uint8Array; side: number } {
  const side = 64;
  const data = new Uint8Array(side * side);
  for (let k = 0; k < 260; k++)
    for (const step of [0, 1, side, side + 1])
      data[3 * Math.floor(k / 20) * side + 3 * (k % 20) + step] = (k % 255) + 1;
  return { data, side };
}

const save = (root: string, file: string, bytes: Uint8Array | string) => {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), bytes);
};
const grey = (data: Uint8Array, side = SIDE) => writePng({ width: side, height: side, channels: 1, data });
const picture = (seed: number, side = SIDE) =>
  grey(
    Uint8Array.from({ length: side * side }, (_, i) => (i * 31 + seed * 17) % 251),
    side,
  );
const ids = squares((k) => k + 1);

/** Pairs of which each, but the first two, has a defect of its own. */
async function brokenFolder(): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), 'broken-'));
  const pair = async (
    name: string,
    mask: Uint8Array | string,
    seed = 100 + readdirSync(root, { recursive: true }).length,
  ) => {
    save(root, `images/${name}.png`, await picture(seed));
    save(root, `masks/${name}.png`, mask);
  };
  await pair('a_sound', await grey(ids), 1);
  await pair('b_sound', await grey(squares((k) => k + 1, 5)), 2);
  await pair('c_twin', await grey(ids), 1);
  await pair('binary', await grey(squares(() => 255)));
  const colours = new Uint8Array(SIDE * SIDE * 3);
  for (const [i, id] of ids.entries()) if (id > 0) colours.set([9, 40 * (id % 3), 200 - 20 * id], 3 * i);
  await pair('coloured', await writePng({ width: SIDE, height: SIDE, channels: 3, data: colours }));
  await pair('empty', await grey(new Uint8Array(SIDE * SIDE)));
  const line = ids.slice();
  line.fill(77, 7 * SIDE + 1, 7 * SIDE + 12);
  await pair('line', await grey(line));
  await pair('unreadable', 'no picture');
  await pair('small', await grey(new Uint8Array(16 * 16).fill(1), 16));
  const many = wrapped();
  save(root, 'images/wrapped.png', await picture(9, many.side));
  save(root, 'masks/wrapped.png', await grey(many.data, many.side));
  save(root, 'images/floats.png', await picture(3));
  save(root, 'masks/floats.npy', npyOf(Float32Array.from(ids), [SIDE, SIDE]));
  save(root, 'images/halves.png', await picture(4));
  save(
    root,
    'masks/halves.npy',
    npyOf(
      Float32Array.from(ids, (id) => id / 2),
      [SIDE, SIDE],
    ),
  );
  save(root, 'images/lonely.png', await picture(5));
  return root;
}

const filesOf = (root: string): string =>
  sha256(
    ...(
      readdirSync(root, { recursive: true, withFileTypes: true }) as {
        isFile(): boolean;
        name: string;
        parentPath: string;
      }[]
    )
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((file) => readFileSync(file)),
  );

describe('a folder with one of every defect', () => {
  test('has each named with its file, and only those; the corrected copy has none and the source is untouched', async () => {
    const root = await brokenFolder();
    const before = filesOf(root);
    const out = join(mkdtempSync(join(tmpdir(), 'copy-')), 'copy');
    const found = await check({ folder: root, type: 'maskPairs', fix: out }, quiet);
    const told = found.problems.map(({ kind, where }) => [kind, where.replace(`${root}/`, '')]);
    expect(told.sort()).toEqual(
      [
        ['unpaired', 'images/lonely.png'],
        ['duplicate', 'c_twin'],
        ['binaryMask', 'binary (masks/binary.png)'],
        ['colourMask', 'coloured (masks/coloured.png)'],
        ['emptyMask', 'empty'],
        ['thinObject', 'line'],
        ['unreadable', 'masks/unreadable.png'],
        ['unreadable', 'masks/small.png'],
        ['wrappedIds', 'wrapped (masks/wrapped.png)'],
        ['floatLabels', 'floats (masks/floats.npy)'],
        ['unreadable', 'masks/halves.npy'],
      ].sort(),
    );
    expect(found.problems.find(({ where }) => where.includes('small'))?.message).toMatch(
      /16 x 16, its image 24 x 24/,
    );
    expect(found.errors).toBe(7);

    const again = await check({ folder: out, type: 'maskPairs' }, quiet);
    expect(again.problems.map(({ kind }) => kind)).toEqual(['emptyMask']);
    expect(again.images).toBe(8);
    expect(again.objects).toBe(9 + 5 + 9 + 9 + 0 + 9 + 260 + 9);
    expect(filesOf(root)).toBe(before);
    await expect(check({ folder: root, type: 'maskPairs', fix: out }, quiet)).rejects.toThrow(/is not empty/);
  });

  test('has a table of what it holds', async () => {
    const root = mkdtempSync(join(tmpdir(), 'sound-'));
    save(root, 'images/a.png', await picture(1));
    save(root, 'masks/a.png', await grey(ids));
    const { parts, problems } = await check({ folder: root }, quiet);
    expect(problems).toEqual([]);
    expect(parts).toMatchObject([
      {
        part: 'all',
        images: 1,
        objects: 9,
        sizes: ['24x24'],
        channels: ['whole-cell'],
        bits: ['8'],
        areas: [16, 16, 16, 16, 16],
      },
    ]);
  });
});

test('the same image in training and held-out parts is an error, and the held-out one is kept', async () => {
  const root = mkdtempSync(join(tmpdir(), 'leak-'));
  for (const [name, seed] of [
    ['a', 1],
    ['b', 2],
    ['c', 3],
    ['d', 1],
  ] as const) {
    save(root, `images/${name}.png`, await picture(seed));
    save(root, `masks/${name}.png`, await grey(ids));
  }
  save(root, 'split.json', JSON.stringify({ train: ['a', 'b'], val: ['c'], heldout: ['d'] }));
  save(
    root,
    'job.yaml',
    'data:\n  type: maskPairs\n  root: .\n  splitFile: split.json\ntrain: {maxSteps: 1}\n',
  );
  const fix = join(root, 'fixed');
  const { problems, parts } = await check({ folder: join(root, 'job.yaml'), fix }, quiet);
  expect(problems).toMatchObject([
    {
      kind: 'duplicateAcrossParts',
      where: 'a',
      message: 'has the same pixels as d (this in train, that in heldout)',
    },
  ]);
  expect(parts.map(({ part, images }) => [part, images])).toEqual([
    ['heldout', 1],
    ['val', 1],
    ['train', 2],
  ]);
  expect(JSON.parse(readFileSync(join(fix, 'split.json'), 'utf8'))).toEqual({
    train: ['b'],
    val: ['c'],
    heldout: ['d'],
  });
});

describeWithShared('check of a folder whose masks are colour indices', 'data/bbbc039', (folder) => {
  test('names every mask whose ids lie in many pieces, and the layout that counts them', async () => {
    const { problems } = await check({ folder, type: 'maskPairs' }, quiet);
    expect(problems).toHaveLength(4);
    expect(problems[0]?.message).toMatch(/69 pieces.*type bbbc039/);
  });
});

describeWithShared('check without a type', 'data', (shared) => {
  test.each([
    ['bbbc039', 'bbbc039', 506],
    ['stardist_samples', 'volumes', 51],
    ['wbc_bmp', 'maskPairs', 20],
  ])('recognises %s as %s and counts %i objects', async (set, type, objects) => {
    expect(await check({ folder: `${shared}/${set}` }, quiet)).toMatchObject({ type, objects });
  });

  const told = async (set: string) => {
    const { problems } = await check({ folder: `${shared}/${set}` }, quiet);
    return (kind: RegExp) =>
      problems.filter(({ message }) => kind.test(message)).map(({ where }) => where.replace(/^.*\//, ''));
  };

  test('tells of the boxes without area of bccd_voc', async () => {
    const where = await told('bccd_voc');
    expect(where(/has no area/)).toEqual(['BloodImage_00338.jpg', 'BloodImage_00343.jpg']);
  });

  test('tells of the images of chula_rbc12 without labels, and with empty ones', async () => {
    const where = await told('chula_rbc12');
    expect(where(/no annotation/)).toEqual(['18.jpg', '196.jpg', '359.jpg', '434.jpg']);
    expect(where(/label file is empty/)).toEqual(['53.jpg', '56.jpg']);
  });

  test('tells of the empty stacks of baby_yeast, and of those without outlines', async () => {
    const where = await told('baby_yeast');
    const empty = ['evolve_testC', 'evolve_testD', 'evolve_testF_tp3', 'evolve_testF_tp4'];
    expect(where(/no cells/)).toEqual(empty);
    expect(where(/no annotation/)).toHaveLength(4);
  });
});

test('a folder that is missing, empty, a file, or without masks is told as what it is', async () => {
  const root = temporaryFolder();
  const told = (folder: string) => check({ folder }, quiet).catch((thrown: Error) => thrown.message);
  expect(await told('no-such-folder')).toBe('there is no folder no-such-folder');
  expect(await told(root)).toBe(`the folder ${root} holds no files`);
  const pixels = { height: 8, width: 8, channels: 1, data: new Uint8Array(64) };
  writeFiles(root, { 'a.png': await writePng(pixels), 'b.png': await writePng(pixels) });
  expect(await told(root)).toBe(
    `the folder ${root} holds 2 images and nothing that looks like masks or boxes`,
  );
  expect(await told(join(root, 'a.png'))).toBe(`${join(root, 'a.png')} is a file, not a folder`);
});

test('an option that is not known is told with the nearest', async () => {
  const wrong = { folder: 'x', typ: 'dsb2018' } as unknown as Parameters<typeof check>[0];
  await expect(check(wrong, quiet)).rejects.toThrow('typ there is no such option; did you mean `type`?');
});
