import { z } from 'zod';
import { CellsamError, type Problem, throwIfAborted } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { FORMAT_NAMES, type FormatName, formatNamed } from '../data/formats/formats.js';
import { recogniseLayout } from '../data/formats/recognise.js';
import type { Sample } from '../data/sample.js';
import { Tally } from '../data/tally.js';
import { areasOf, boxesOf, components } from '../image/labels.js';

export const checkJobOptions = z.strictObject({
  folder: z.string().describe('folder of the dataset'),
  type: z.enum(FORMAT_NAMES).optional().describe('layout; recognised from the files when absent'),
});

export interface CheckResult {
  readonly folder: string;
  readonly type: FormatName;
  /** What the layout needs under `data.options`. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly images: number;
  readonly objects: number;
  /** Object areas in px at 5, 50 and 95 percent; absent without objects. */
  readonly areas?: readonly [number, number, number];
  readonly sizes: readonly string[];
  readonly problems: readonly Problem[];
}

/** Reads a whole dataset and tells what is in it and what is wrong with it. @throws DataError for an unknown layout */
export async function check(
  options: z.infer<typeof checkJobOptions>,
  context: JobContext,
): Promise<CheckResult> {
  const { folder } = options;
  const layout =
    options.type === undefined ? await recogniseLayout(folder) : { type: options.type, options: {} };
  const { type } = layout;
  const format = await formatNamed(type, layout.options);
  const refs = await format.list(folder);
  const problems: Problem[] = [];
  const areas: number[] = [];
  const sizes = new Set<string>();
  const seen = new Map<string, string>();
  const tally = new Tally();
  for (const [done, ref] of refs.entries()) {
    throwIfAborted(context.signal);
    try {
      const sample = await format.read(folder, ref);
      tally.add(sample);
      sizes.add(`${sample.image.width}x${sample.image.height}x${sample.image.channels.length}`);
      problems.push(...problemsOf(sample));
      const twin = seen.get(sample.source.contentHash);
      if (twin !== undefined) problems.push({ where: ref.id, message: `has the same pixels as ${twin}` });
      seen.set(sample.source.contentHash, ref.id);
      if (sample.instances.kind === 'labels')
        for (const area of areasOf(sample.instances.labels)) areas.push(area);
    } catch (thrown) {
      if (!(thrown instanceof CellsamError)) throw thrown;
      problems.push({ where: thrown.where ?? ref.id, message: thrown.message });
    }
    context.emit({ kind: 'progress', done: done + 1, total: refs.length, unit: 'images', detail: 'reading' });
  }
  areas.sort((a, b) => a - b);
  const at = (q: number): number => areas[Math.floor(q * (areas.length - 1))] as number;
  const { images, objects } = tally;
  const found = {
    folder,
    type,
    options: layout.options,
    images,
    objects,
    sizes: [...sizes].sort(),
    problems,
  };
  return areas.length === 0 ? found : { ...found, areas: [at(0.05), at(0.5), at(0.95)] };
}

function problemsOf(sample: Sample): Problem[] {
  const where = sample.id;
  const found: Problem[] = sample.warnings.map((message) => ({ where, message }));
  if (sample.instances.kind !== 'labels') return found;
  const { labels } = sample.instances;
  if (labels.count === 0) return [...found, { where, message: 'has no objects: is it unlabelled?' }];
  const pieces = components(labels.data, labels.height, labels.width, 8).count;
  if (pieces > 2 * labels.count)
    found.push({
      where,
      message: `its ${labels.count} ids lie in ${pieces} pieces: a binary or colour-index mask? With type bbbc039 each piece is an object`,
    });
  const { xyxy } = boxesOf(labels);
  for (let i = 0; i < labels.count; i++) {
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = xyxy.subarray(i * 4, i * 4 + 4);
    if (x1 - x0 <= 1 || y1 - y0 <= 1)
      found.push({ where, message: `object ${i + 1} at (${x0}, ${y0}) is one pixel wide` });
  }
  return found;
}
