import type { ArraySource } from '../core/arrays.js';
import { WeightsError } from '../core/errors.js';
import { DETECTOR, fileNames, spareNames } from '../models/cellsamSpecs.js';
import { type ModelConfig, modelOptions } from '../models/options.js';
import { inferConfig } from './infer.js';
import type { WeightsFile } from './load.js';

/** What a weight file is, from its names and its own texts. */
export interface Identity {
  readonly kind: 'cellsam' | 'sam' | 'ours';
  /** In words. */
  readonly about: string;
  readonly config: ModelConfig;
  /** Settings of the configuration that the file does not tell. */
  readonly assumed: readonly string[];
  /** The weights under this project's names, `model.` before those of SAM's own checkpoints. */
  readonly source: ArraySource;
  /** The weights that its form has; SAM's own have no detector. */
  readonly expected: ReadonlyMap<string, { readonly shape: readonly number[] }>;
  /** Names in the file that the model does not use and that are known for it. */
  readonly spare: readonly string[];
}

const SAM_PART = /^(image_encoder|prompt_encoder|mask_decoder)\./;

/**
 * Recognises SAM's own checkpoints, CellSAM's two forms and files of this project.
 *
 * @throws WeightsError when it is none of them
 */
export function identify(file: WeightsFile): Identity {
  const source = withOwnNames(file);
  const { config: text } = file.metadata;
  if (text !== undefined) {
    const config = storedConfig(file.path, text);
    return {
      kind: 'ours',
      about: 'a model of this project',
      config,
      assumed: [],
      source,
      expected: fileNames(config),
      spare: spareOf(config, source),
    };
  }
  const { config, assumed } = inferConfig(source.entries);
  const hasDetector = [...source.entries.keys()].some((name) => name.startsWith('cellfinder.'));
  const all = fileNames(config);
  const spare = spareOf(config, source);
  if (hasDetector) {
    const form = config.layout === 'two' ? 'two ViTs, as released' : 'one ViT, as in the paper';
    return { kind: 'cellsam', about: `CellSAM with ${form}`, config, assumed, source, expected: all, spare };
  }
  const expected = new Map([...all].filter(([name]) => !name.startsWith(`${DETECTOR}.`)));
  return { kind: 'sam', about: 'SAM, without a detector', config, assumed, source, expected, spare };
}

function spareOf(config: ModelConfig, { entries }: ArraySource): string[] {
  const known = spareNames(config);
  return [...entries.keys()].filter((name) => known.has(name));
}

/** How names of a file become ours: without what parallel training puts before them, with `model.` before SAM's. */
function ownName(names: readonly string[]): (name: string) => string {
  const isWrapped = names.length > 0 && names.every((name) => name.startsWith('module.'));
  const bare = (name: string) => (isWrapped ? name.slice('module.'.length) : name);
  return (name) => (SAM_PART.test(bare(name)) ? `model.${bare(name)}` : bare(name));
}

/** The same weights under this project's names. @throws WeightsError when two names become one */
export function withOwnNames(source: ArraySource): ArraySource {
  return renamed(source, ownName([...source.entries.keys()]));
}

function renamed({ entries, read }: ArraySource, rename: (name: string) => string): ArraySource {
  const origin = new Map([...entries.keys()].map((name) => [rename(name), name]));
  if (origin.size < entries.size)
    throw new WeightsError('it holds the same weight under two names, with and without the prefix `model.`');
  return {
    entries: new Map(
      [...entries].map(([name, info]) => [
        rename(name),
        info.sameAs === undefined ? info : { ...info, sameAs: rename(info.sameAs) },
      ]),
    ),
    read: (name) => read(origin.get(name) ?? name),
  };
}

/** The configuration in a file of ours. @throws WeightsError when this version does not understand it */
export function storedConfig(path: string, text: string): ModelConfig {
  const fault = (cause: unknown) =>
    new WeightsError(`${path}: its model configuration is not understood`, {
      where: path,
      fix: 'it was written by another version, or changed by hand',
      cause,
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw fault(thrown);
  }
  const parsed = modelOptions.safeParse(value);
  if (!parsed.success) throw fault(parsed.error);
  return parsed.data;
}
