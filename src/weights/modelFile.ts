import { z } from 'zod';
import type { ArraySource, NamedArrays } from '../core/arrays.js';
import { WeightsError } from '../core/errors.js';
import { writeSafetensors } from '../io/safetensorsWrite.js';
import { CellSam } from '../models/cellsam.js';
import type { FillOptions } from '../models/fill.js';
import type { ModelConfig } from '../models/options.js';
import { type BaseModel, referenceTo } from './base.js';
import { type Identity, identify, withOwnNames } from './identify.js';
import { openWeights } from './load.js';
import { type TrainedImages, trainedImagesFrom, trainedImagesText, UNKNOWN_IMAGES } from './trainedImages.js';

const storedThresholds = z.object({
  box: z.number(),
  boxShare: z.number(),
  meanShare: z.number(),
  iou: z.number(),
  mask: z.number(),
  sameCell: z.number().optional(),
  objectSide: z.number().optional(),
});

/** The thresholds that `segment` understands; see src/segment/thresholds.ts. */
export type StoredThresholds = Readonly<z.infer<typeof storedThresholds>>;

/** What a model file tells about itself besides its weights. */
export interface ModelCard {
  readonly config: ModelConfig;
  /** Found on validation images; `segment` uses them. Published checkpoints have none. */
  readonly thresholds?: StoredThresholds;
  /** How pixels become its input: as this project trains (when absent), or as CellSAM's own checkpoints want it. */
  readonly scaling?: 'plain' | 'published';
  /** Images that taught it or chose its thresholds; absent where the file does not tell. */
  readonly trainedImages?: TrainedImages;
  /** How it was made, in words. */
  readonly training: string;
  readonly licence: string;
}

/**
 * Writes weights and card as one `.safetensors` file.
 *
 * @param options.half stores float16
 * @param options.base the model that holds every weight that is not among these
 */
export function saveModelFile(
  path: string,
  weights: NamedArrays | ArraySource,
  card: ModelCard,
  options: { readonly half?: boolean; readonly base?: BaseModel } = {},
): Promise<void> {
  const { half = false, base } = options;
  const { config, thresholds, scaling, trainedImages, training, licence } = card;
  const metadata = {
    format: 'cellsam-1',
    config: JSON.stringify(config),
    ...(thresholds === undefined ? {} : { thresholds: JSON.stringify(thresholds) }),
    ...(scaling === undefined ? {} : { scaling }),
    ...(trainedImages === undefined ? {} : { trainedImages: trainedImagesText(trainedImages) }),
    training,
    licence,
    ...(base === undefined ? {} : { base: referenceTo(base, path) }),
  };
  return writeSafetensors(path, weights, { metadata, half });
}

/**
 * Reads a model of ours, or CellSAM's published checkpoint in either form and format, weight by weight.
 *
 * @param path of the file, or of a folder that holds it as `model.safetensors`
 * @param config the sizes, for files that do not tell them
 * @throws WeightsError when the file does not tell its model and `config` is absent, or names or shapes do not fit
 */
export async function loadModelFile(
  path: string,
  config?: ModelConfig,
  options: FillOptions = {},
): Promise<{ readonly model: CellSam; readonly card: Required<Pick<ModelCard, 'scaling'>> & ModelCard }> {
  const file = await openWeights(path);
  try {
    const { thresholds, trainedImages, training, licence = "its source's" } = file.metadata;
    const identity = config === undefined ? complete(path, identify(file)) : undefined;
    const own = config ?? (identity as Identity).config;
    const isPublished = file.metadata['scaling'] === 'published' || identity?.kind === 'cellsam';
    const card = {
      config: own,
      scaling: isPublished ? ('published' as const) : ('plain' as const),
      ...(thresholds === undefined ? {} : { thresholds: thresholdsIn(path, thresholds) }),
      ...(trainedImages === undefined ? {} : { trainedImages: trainedImagesIn(path, trainedImages) }),
      training: training ?? identity?.about ?? 'unknown',
      licence,
    };
    const source = identity?.source ?? withOwnNames(file);
    return { model: await CellSam.fromSource(own, source, options), card };
  } finally {
    await file.close();
  }
}

/** @throws WeightsError when a file's weights alone do not make a model that finds cells */
function complete(path: string, identity: Identity): Identity {
  if (identity.kind === 'sam')
    throw new WeightsError(`${path} is SAM, which has no detector`, {
      where: path,
      fix: 'train one from it with `init: FILE` in the configuration of `cellsam train`',
    });
  if (identity.assumed.length > 0)
    throw new WeightsError(
      `${path} does not tell ${identity.assumed.map((s) => s.split(' ')[0]).join(', ')}`,
      {
        where: path,
        fix: 'name a model.safetensors that `cellsam train` wrote, or give the configuration',
      },
    );
  return identity;
}

/** Of a file of any kind, without its weights. @throws WeightsError when the file cannot be read */
export async function trainedImagesOf(path: string): Promise<TrainedImages> {
  const file = await openWeights(path);
  await file.close();
  const text = file.metadata['trainedImages'];
  return text === undefined ? UNKNOWN_IMAGES : trainedImagesIn(path, text);
}

const thresholdsIn = (path: string, text: string): StoredThresholds =>
  understood(path, 'thresholds', () => storedThresholds.parse(JSON.parse(text)));

const trainedImagesIn = (path: string, text: string): TrainedImages =>
  understood(path, 'list of training images', () => trainedImagesFrom(text));

function understood<T>(path: string, what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new WeightsError(`${path}: its ${what} cannot be understood`, {
      where: path,
      fix: 'it was written by another version, or changed by hand',
      cause,
    });
  }
}
