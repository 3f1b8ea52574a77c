import { extname } from 'node:path';
import type { ArrayInfo, ArraySource } from '../core/arrays.js';
import { OutputError, UsageError, WeightsError } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { exists } from '../core/files.js';
import { Random } from '../core/random.js';
import { writeSafetensors } from '../io/safetensorsWrite.js';
import { fileNames, sharedCopies, weightSpecs } from '../models/cellsamSpecs.js';
import { mismatchError } from '../models/mismatch.js';
import type { ModelConfig } from '../models/options.js';
import { preset } from '../models/presets.js';
import { initialValues } from '../models/specs.js';
import { type Identity, identify } from '../weights/identify.js';
import { openWeights, type WeightsFile } from '../weights/load.js';
import { writeTorch } from '../weights/torchWrite.js';

export interface InspectedWeights {
  readonly path: string;
  readonly kind: WeightsFile['kind'];
  readonly bytes: number;
  /** What it is; absent for weights of other models. */
  readonly about?: string;
  readonly config?: ModelConfig;
  /** Settings that the file does not tell, as they would be taken. */
  readonly assumed: readonly string[];
  /** Where names or shapes do not fit what it is. */
  readonly problems: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly elements: number;
  readonly arrays: readonly ({ readonly name: string } & Omit<ArrayInfo, 'dtype'>)[];
}

/** What a weight file holds, without reading its numbers. @throws WeightsError when it is damaged or hostile */
export async function inspectWeights(path: string): Promise<InspectedWeights> {
  const file = await openWeights(path);
  try {
    const { kind, bytes, metadata, entries } = file;
    const arrays = [...entries].map(([name, { dtype: _, ...info }]) => ({ name, ...info }));
    const elements = arrays.reduce((n, { shape, sameAs }) => n + (sameAs === undefined ? size(shape) : 0), 0);
    const common = { path, kind, bytes, metadata, elements, arrays };
    const identity = known(file);
    if (identity === undefined) return { ...common, assumed: [], problems: [] };
    const { about, config, assumed } = identity;
    const error = mismatch(identity, identity.expected, [], []);
    const problems = (error?.problems ?? []).map(({ where, message }) => `${where} ${message}`);
    return { ...common, about, config, assumed, problems };
  } finally {
    await file.close();
  }
}

export interface ConvertJob {
  readonly input: string;
  /** `.safetensors`, `.pt` or `.pth`. */
  readonly output: string;
  readonly dtype: 'float32' | 'float16';
  /** The model that the weights are for; the file's own when absent. */
  readonly model?: string | undefined;
  readonly allowMissing: readonly string[];
  readonly allowUnexpected: readonly string[];
  /** Leaves out weights that the model does not use. */
  readonly dropUnused: boolean;
  readonly overwrite: boolean;
}

export interface ConvertedWeights {
  readonly output: string;
  readonly about: string;
  readonly arrays: number;
  /** Names that the input lacked, drawn afresh. */
  readonly fresh: readonly string[];
  /** Names of the input that the model does not use, and whether they were kept. */
  readonly unused: readonly string[];
  readonly kept: boolean;
}

/**
 * Writes weights in another format, under this project's names, one array at a time.
 *
 * @throws WeightsError listing every missing, unexpected and wrongly shaped name
 * @throws OutputError when the output exists and may not be replaced
 */
export async function convertWeights(job: ConvertJob, { emit }: JobContext): Promise<ConvertedWeights> {
  const isTorch = formatOf(job.output) === 'torch';
  if (!job.overwrite && (await exists(job.output)))
    throw new OutputError(`${job.output} exists already`, {
      where: job.output,
      fix: 'choose another name, or pass --overwrite',
    });
  const file = await openWeights(job.input);
  try {
    const identity = identify(file);
    const config = job.model === undefined ? identity.config : preset(job.model);
    const expected = job.model === undefined ? identity.expected : fileNames(config);
    const error = mismatch(identity, expected, job.allowMissing, job.allowUnexpected);
    if (error !== undefined) throw error;
    const unused = [...identity.source.entries.keys()].filter((name) => !expected.has(name));
    const fresh = [...expected.keys()].filter((name) => !identity.source.entries.has(name));
    const names = [...identity.source.entries.keys()].filter((name) => !job.dropUnused || expected.has(name));
    const source = completed(identity.source, config, [...names, ...fresh]);
    emit({
      kind: 'stage',
      title: `Writing ${job.output}: ${identity.about}, ${names.length + fresh.length} arrays`,
    });
    const half = job.dtype === 'float16';
    const isWhole = job.model !== undefined || identity.kind !== 'sam';
    if (isTorch) await writeTorch(job.output, source, { half });
    else
      await writeSafetensors(job.output, source, {
        metadata: textsOf(file, identity, isWhole ? config : undefined),
        half,
      });
    const { about } = identity;
    return { output: job.output, about, arrays: source.entries.size, fresh, unused, kept: !job.dropUnused };
  } finally {
    await file.close();
  }
}

function formatOf(path: string): 'safetensors' | 'torch' {
  const ending = extname(path).toLowerCase();
  if (ending === '.safetensors') return 'safetensors';
  if (ending === '.pt' || ending === '.pth') return 'torch';
  throw new UsageError(`${path} tells no format that weights are written in`, {
    where: path,
    fix: 'end its name in .safetensors, .pt or .pth',
  });
}

/** The file's own texts, and what `segment` needs where the weights make a whole model. */
function textsOf(
  { metadata }: WeightsFile,
  { kind, about, assumed }: Identity,
  config: ModelConfig | undefined,
): Readonly<Record<string, string>> {
  const isTold = config !== undefined && assumed.length === 0;
  return {
    training: `${about}, converted`,
    licence: "its source's",
    ...(kind === 'cellsam' ? { scaling: 'published' } : {}),
    ...metadata,
    ...(isTold ? { format: 'cellsam-1', config: JSON.stringify(config) } : {}),
  };
}

function known(file: WeightsFile): Identity | undefined {
  try {
    return identify(file);
  } catch (thrown) {
    if (thrown instanceof WeightsError) return undefined;
    throw thrown;
  }
}

function mismatch(
  { source, spare }: Identity,
  expected: Identity['expected'],
  allowMissing: readonly string[],
  allowUnexpected: readonly string[],
): WeightsError | undefined {
  const allowed = allowUnexpected.map(pattern);
  const isSpare = new Set(spare);
  const judged = [...source.entries].filter(
    ([name]) => expected.has(name) || (!isSpare.has(name) && !allowed.some((p) => p.test(name))),
  );
  return mismatchError(expected, new Map(judged), allowMissing.map(pattern));
}

/** @throws UsageError when the text is no regular expression */
function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new UsageError(`\`${text}\` is no regular expression`, { where: text, cause });
  }
}

/** These names of a source, and fresh values for those that it lacks. */
function completed(source: ArraySource, config: ModelConfig, names: readonly string[]): ArraySource {
  const specs = weightSpecs(config);
  // Copies of a shared head take what the first has.
  const first = new Map(
    [...specs.keys()].flatMap((name) => sharedCopies(name, config).map((copy) => [copy, name])),
  );
  const original = (name: string) => (source.entries.has(name) ? name : (first.get(name) ?? name));
  const random = new Random(0);
  const infoOf = (name: string): ArrayInfo =>
    source.entries.get(original(name)) ?? {
      shape: specs.get(original(name))?.shape ?? [],
      dtype: 'float32',
      stored: 'float32',
    };
  return {
    entries: new Map(names.map((name) => [name, infoOf(name)])),
    read: async (name) => {
      const own = original(name);
      const spec = specs.get(own);
      if (source.entries.has(own) || spec === undefined) return source.read(own);
      return { shape: spec.shape, dtype: 'float32', data: initialValues(spec, random.split(own)) };
    },
  };
}

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
