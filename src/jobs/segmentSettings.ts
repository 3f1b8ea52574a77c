import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Problem } from '../core/errors.js';
import { sha256, sha256OfFile } from '../core/hash.js';
import { modelFileAt } from '../weights/modelPath.js';
import type { SegmentJob } from './segment.js';
import { isExported } from './segmentModel.js';

/** A file that results depend on: the same under another name, another when it is changed. */
interface Contents {
  readonly name: string;
  readonly sha256: string;
}

/** What results depend on, by the option's name: JSON values, null where an option was not given. */
export type Settings = Readonly<Record<string, unknown>>;

/**
 * What the results of a job depend on. Left out is what changes time and memory only; `maxMemory` too, so that a folder
 * that was stopped for lack of memory can be gone on with.
 *
 * @throws WeightsError where there is no model
 */
export async function settingsOf(config: SegmentJob): Promise<Settings> {
  const { promptsPerCall, boxThreshold = null, overlap = null, ...segment } = config.segment;
  const { channels = null, pages, pixelSizeUm = null } = config.images;
  const { engine, precision, boxes } = config;
  const isFolder = engine === 'onnx' && (await isExported(config.model));
  const model = await contentsOf(isFolder ? config.model : await modelFileAt(config.model));
  const given = boxes === undefined ? null : await contentsOf(boxes);
  return {
    model,
    engine,
    precision,
    boxes: given,
    channels,
    pages,
    pixelSizeUm,
    boxThreshold,
    overlap,
    ...segment,
  };
}

/** @param path a file, or a folder as `export` writes them, of files only */
async function contentsOf(path: string): Promise<Contents> {
  const name = basename(path);
  if (!(await stat(path)).isDirectory()) return { name, sha256: await sha256OfFile(path) };
  const pieces: string[] = [];
  for (const file of (await readdir(path)).sort()) pieces.push(file, await sha256OfFile(join(path, file)));
  return { name, sha256: sha256(...pieces) };
}

/** The same for the same settings, whatever the files that they come from are called. */
export function idOf(settings: Settings): string {
  const sorted = Object.keys(settings).sort();
  return sha256(JSON.stringify(sorted.map((key) => [key, identity(settings[key])]))).slice(0, 16);
}

/** One problem an option: `0.4 -> 0.9`. Options that one side does not know, since it is another version, are left out. */
export function differences(olds: readonly Settings[], now: Settings): Problem[] {
  return Object.keys(now).flatMap((key) => {
    const others = olds.filter(
      (old) => key in old && JSON.stringify(identity(old[key])) !== JSON.stringify(identity(now[key])),
    );
    if (others.length === 0) return [];
    const texts = [...new Set(others.map((old) => asText(old[key])))];
    return [{ where: flagOf(key), message: `${texts.join(' or ')} -> ${asText(now[key])}` }];
  });
}

const isContents = (value: unknown): value is Contents =>
  typeof value === 'object' && value !== null && 'sha256' in value;

const identity = (value: unknown): unknown => (isContents(value) ? value.sha256 : value);

function asText(value: unknown): string {
  if (value === null || value === undefined) return 'not given';
  if (isContents(value)) return `${value.name} (${value.sha256.slice(0, 8)})`;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** As the command line spells it. */
const flagOf = (key: string): string =>
  key === 'pixelSizeUm'
    ? '--pixel-size'
    : `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
