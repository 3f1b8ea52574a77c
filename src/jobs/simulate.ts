import { join } from 'node:path';
import { z } from 'zod';
import { OutputError, throwIfAborted } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { exists, writeFileAtomic } from '../core/files.js';
import type { Sample } from '../data/sample.js';
import { simulate } from '../data/simulate/simulate.js';
import { writePng } from '../io/png.js';

export { MODALITIES } from '../data/simulate/modalities.js';

export const simulateJobOptions = z.strictObject({
  out: z.string().describe('folder to write'),
  modality: z.string().default('fluorescence').describe('kind of microscopy'),
  count: z.number().int().positive().default(10).describe('fields'),
  side: z.number().int().min(32).max(4096).default(256).describe('side of a field in px'),
  seed: z.number().int().default(0).describe('equal seeds draw equal fields'),
});

export interface SimulateResult {
  readonly folder: string;
  readonly images: number;
  readonly objects: number;
}

/** Writes synthetic fields in the layout of the 2018 Data Science Bowl. @throws OutputError when the folder exists */
export async function simulateFields(
  options: z.infer<typeof simulateJobOptions>,
  context: JobContext,
): Promise<SimulateResult> {
  const { out, count } = options;
  if (await exists(out))
    throw new OutputError(`${out} exists already`, { where: out, fix: 'choose another folder with --out' });
  let objects = 0;
  for (let i = 0; i < count; i++) {
    throwIfAborted(context.signal);
    const sample = simulate({ modality: options.modality, side: options.side, seed: `${options.seed}/${i}` });
    await writeField(join(out, `${options.modality}-${String(i).padStart(4, '0')}`), sample);
    objects += sample.objectCount;
    context.emit({ kind: 'progress', done: i + 1, total: count, unit: 'fields' });
  }
  return { folder: out, images: count, objects };
}

async function writeField(folder: string, { image, instances }: Sample): Promise<void> {
  const { width, height } = image;
  const name = `${folder.split(/[\\/]/).at(-1)}.png`;
  await writeFileAtomic(
    join(folder, 'images', name),
    await writePng({ width, height, channels: image.channels.length, data: Uint8Array.from(image.data) }),
  );
  if (instances.kind !== 'labels') return;
  for (let label = 1; label <= instances.labels.count; label++) {
    const mask = Uint8Array.from(instances.labels.data, (id) => (id === label ? 255 : 0));
    const file = join(folder, 'masks', `${String(label).padStart(4, '0')}.png`);
    await writeFileAtomic(file, await writePng({ width, height, channels: 1, data: mask }));
  }
}
