import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { PartialError } from '../../src/core/errors.js';
import { type JobEvent, silent } from '../../src/core/events.js';
import { Random } from '../../src/core/random.js';
import type { PixelImage } from '../../src/image/types.js';
import { TiffWriter } from '../../src/io/tiff/write.js';
import { segmentFiles, segmentJob } from '../../src/jobs/segment.js';
import { RECORD } from '../../src/jobs/segmentRecord.js';
import { CellSam } from '../../src/models/cellsam.js';
import { estimateMemory } from '../../src/models/memory.js';
import { preset } from '../../src/models/presets.js';
import { CellSegmenter } from '../../src/segment/cellSegmenter.js';
import { openImage } from '../../src/segment/imageFile.js';
import { segmentLarge } from '../../src/segment/large.js';
import { loadCellSam } from '../../src/segment/loadCellSam.js';
import { sourceOf } from '../../src/segment/tiles.js';
import { shippedModel } from '../../src/weights/shippedModel.js';
import { diskField } from '../support/diskField.js';

const [height, width] = [300, 420];
let maxMemory = '';
let folder = '';
let slide = '';
const job = ({ segment, ...more }: { segment?: object; out?: string; save?: readonly string[] }) =>
  segmentJob.parse({
    model: shippedModel,
    inputs: [slide],
    maxMemory,
    ...more,
    segment: { zoom: 1, ...segment },
  });

describe('an image that is segmented tile by tile', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slide-'));
    slide = join(folder, 'slide.tif');
    const { model, segmenter } = await loadCellSam();
    const prompts = segmenter.options.promptsPerCall;
    // Enough for a tile, too little for the image: 126,000 px of 48 bytes.
    const { total } = estimateMemory(model.config, { what: 'forward', batchSize: 1, prompts });
    maxMemory = `${((total + 5e6) / 1e6).toFixed(3)} MB`;
    model.dispose();
    const pixelSizeUm = [0.25, 0.25] as const;
    const tiff = await TiffWriter.create(slide, { height, width, bits: 16, tile: 64, pixelSizeUm });
    await tiff.writeImage(Uint16Array.from(diskField(height, width).data, (v) => 16 * v));
    await tiff.close();
  });
  afterAll(async () => rm(folder, { recursive: true }));

  test('its labels are written with the pixels’ size, and nothing else', async () => {
    const out = join(folder, 'plain');
    const { images } = await segmentFiles(job({ out }), { emit: silent });
    expect((await readdir(out)).sort()).toEqual([RECORD, 'slide_masks.tif']);
    const { image } = await openImage(join(out, 'slide_masks.tif'));
    expect([image?.height, image?.width, image?.pixelSizeUm?.[0].toFixed(4)]).toEqual([
      height,
      width,
      '0.2500',
    ]);
    expect(new Set(image?.data).size - 1).toBe(images[0]?.cells);
    expect(images[0]?.cells).toBe(6 * 8);
  });

  test('stopped in its middle it leaves nothing, and is done again', async () => {
    const out = join(folder, 'stopped');
    const stop = new AbortController();
    const emit = (event: JobEvent) => {
      if (event.kind === 'progress' && event.unit === 'tiles' && event.done === 2) stop.abort();
    };
    await expect(segmentFiles(job({ out }), { emit, signal: stop.signal })).rejects.toThrow(
      'stopped on request',
    );
    expect(await readdir(out)).toEqual([]);
    expect((await segmentFiles(job({ out }), { emit: silent })).images).toHaveLength(1);
  });

  test('what needs all of it at once is refused with the reason', async () => {
    for (const [more, text] of [
      [{ segment: { lowContrast: true } }, '--low-contrast, which needs the whole image'],
      [{ save: ['tiff', 'csv'] }, 'too large for any output but tiff'],
    ] as const) {
      const failure = await segmentFiles(job({ out: join(folder, 'refused'), ...more }), {
        emit: silent,
      }).catch((e: unknown) => e);
      expect((failure as PartialError).problems[0]?.message).toContain(text);
    }
  });

  test('gauging chooses the published tiles, and says that it is not segmented as a whole', async () => {
    const notes: string[] = [];
    const emit = (event: JobEvent) => {
      if (event.kind === 'note') notes.push(event.message);
    };
    await segmentFiles(job({ out: join(folder, 'gauged'), segment: { gaugeCellSize: true, tile: 128 } }), {
      emit,
    });
    expect(notes).toEqual([expect.stringContaining('--gauge-cell-size only chooses its tiles')]);
  });
});

describe('what is decided about an image that is not held', () => {
  const model = CellSam.create(preset('tiny'), new Random('view'));
  afterAll(() => model.dispose());
  const random = new Random('stain');
  /** Bright tissue whose left half is nearly all dark: a tile of it alone would be judged otherwise. */
  const stained: PixelImage = {
    height: 200,
    width: 600,
    channels: ['red', 'green', 'blue'],
    range: [0, 255],
    data: Float32Array.from({ length: 200 * 600 * 3 }, (_, i) =>
      i % 1800 < 600 ? random.integer(60) : 200 + random.integer(50),
    ),
  };
  const source = sourceOf(stained);

  test.each(['native', 'pad'] as const)(
    'fit %s: bright backgrounds are turned over, in all parts or none',
    async (fit) => {
      const cells = new CellSegmenter(model, { fit });
      const view = await cells.viewOf({ ...source, read: source.read });
      const whole = sourceOf(cells.asSeen(stained));
      for (const tile of [
        { x0: 0, y0: 0, x1: 150, y1: 100 },
        { x0: 500, y0: 50, x1: 600, y1: 200 },
      ])
        expect((await view.source.read(tile)).data).toEqual((await whole.read(tile)).data);
    },
  );

  test('the magnification that is asked for holds, and the tiles follow it', async () => {
    const view = await new CellSegmenter(model, { fit: 'native', zoom: 2 }).viewOf(source);
    expect([view.zoom, view.tile, view.overlap]).toEqual([2, 128, 32]);
  });

  test('in parts or held, the cells are the same', async () => {
    const own = await loadCellSam(undefined, { zoom: 1 });
    const [side, image] = [300, diskField(300, 300)];
    const { source: seen, zoom, tile, overlap } = await own.viewOf(sourceOf(image));
    const labels = new Uint32Array(side * side);
    const sink = async (y0: number, _: number, rows: Uint32Array) => labels.set(rows, y0 * side);
    await segmentLarge(own.segmenter, seen, sink, { tile, overlap, zoom });
    expect(labels).toEqual((await own.segment(image)).labels.data);
    expect(new Set(labels).size - 1).toBe(36);
    own.dispose();
  });
});
