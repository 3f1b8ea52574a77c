import { basename, resolve } from 'node:path';
import type { NamedArray, NamedArrays } from '../core/arrays.js';
import { reason, WeightsError } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import type { Random } from '../core/random.js';
import { CellSam, weightSpecs } from '../models/cellsam.js';
import type { ModelConfig } from '../models/options.js';
import { loadWeights } from '../weights/load.js';
import { shippedModel } from '../weights/shippedModel.js';
import type { InitOptions } from './options.js';

const DETECTOR_VIT = 'cellfinder.decode_head.backbone.body.';

/** The file that `init.weights` means; `shipped` is a word, also after it was made absolute like a path. */
export const initPath = (weights: string, folder: string): string =>
  basename(weights) === 'shipped' ? shippedModel : resolve(folder, weights);

/**
 * The model at the first step: fresh, or with the weights of a file. SAM's names get the model's prefix, and in the layout
 * with two ViTs both start from SAM's; tables of positions of another image size are resampled, which is told.
 *
 * @param path the file that `init` names
 * @throws WeightsError listing every missing, unexpected and wrongly shaped name
 */
export async function startModel(
  config: ModelConfig,
  init: InitOptions | undefined,
  path: string,
  random: Random,
  { emit }: JobContext,
): Promise<CellSam> {
  if (init === undefined) return CellSam.create(config, random);
  const arrays = withOwnNames(await loadWeights(path), config, init);
  const { fitted, resampled } = fitPositions(arrays, config);
  if (resampled.length > 0) {
    const message = `${resampled.length} tables of positions were resampled to views of ${config.vit.imgSize} px`;
    emit({ kind: 'note', message: `${message}: ${resampled.slice(0, 3).join(', ')}` });
  }
  try {
    const model = CellSam.fromArrays(config, fitted, {
      allowMissing: init.allowMissing.map((text) => new RegExp(text)),
      allowUnexpected: init.allowUnexpected.map((text) => new RegExp(text)),
      random,
    });
    const fresh = [...weightSpecs(config).keys()].filter((name) => !fitted.has(name)).length;
    const rest = fresh === 0 ? '' : `; ${fresh} weights that it lacks start fresh`;
    emit({ kind: 'note', message: `starting from ${path}${rest}` });
    return model;
  } catch (thrown) {
    if (!(thrown instanceof WeightsError)) throw thrown;
    throw new WeightsError(`${path}: ${reason(thrown)}`, {
      where: 'init',
      problems: thrown.problems,
      fix: 'choose the preset that the file was made for; name what may differ in init.allowMissing or init.allowUnexpected, as patterns, or change names with init.rename',
      cause: thrown,
    });
  }
}

/** The file's names after `rename`, SAM's with the model's prefix. */
function withOwnNames(file: NamedArrays, config: ModelConfig, init: InitOptions): Map<string, NamedArray> {
  const renamed = new Map<string, NamedArray>();
  for (const [name, array] of file) {
    const own = init.rename.reduce((text, { from, to }) => text.replace(new RegExp(from), to), name);
    if (renamed.has(own)) {
      throw new WeightsError(`init.rename makes two weights out of which both are called \`${own}\``, {
        where: name,
      });
    }
    renamed.set(own, array);
  }
  const isSam = [...renamed.keys()].some((name) => name.startsWith('image_encoder.'));
  if (!isSam) return renamed;
  const arrays = new Map<string, NamedArray>();
  for (const [name, array] of renamed) {
    const isPart = /^(image_encoder|prompt_encoder|mask_decoder)\./.test(name);
    arrays.set(isPart ? `${config.maskBranch}.${name}` : name, array);
    const inVit = name.replace(/^image_encoder\./, DETECTOR_VIT);
    if (config.layout === 'two' && inVit !== name && !inVit.startsWith(`${DETECTOR_VIT}neck.`))
      arrays.set(inVit, array);
  }
  return arrays;
}

/** Tables of positions in the model's sizes: linear with half-pixel centres, as the encoder itself resamples them. */
function fitPositions(
  arrays: NamedArrays,
  config: ModelConfig,
): { readonly fitted: NamedArrays; readonly resampled: readonly string[] } {
  const fitted = new Map(arrays);
  const resampled: string[] = [];
  for (const [name, { shape }] of weightSpecs(config)) {
    const array = arrays.get(name);
    if (array === undefined || array.dtype !== 'float32' || array.shape.join() === shape.join()) continue;
    const data = array.data as Float32Array;
    const [first = 0, second = 0, third = 0, fourth = 0] = array.shape;
    if (/rel_pos_[hw]$/.test(name) && second === shape[1]) {
      fitted.set(name, { ...array, shape, data: resizeRows(data, 1, first, shape[0] as number, second) });
    } else if (/pos_embed$/.test(name) && array.shape.length === 4 && fourth === shape[3]) {
      const tall = resizeRows(data, 1, second, shape[1] as number, third * fourth);
      const both = resizeRows(tall, shape[1] as number, third, shape[2] as number, fourth);
      fitted.set(name, { ...array, shape, data: both });
    } else continue;
    resampled.push(name);
  }
  return { fitted, resampled };
}

/** `[outer, from, width]` -> `[outer, to, width]`. */
function resizeRows(data: Float32Array, outer: number, from: number, to: number, width: number) {
  const out = new Float32Array(outer * to * width);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < to; i++) {
      const position = Math.max(0, ((i + 0.5) * from) / to - 0.5);
      const low = Math.min(from - 1, Math.floor(position));
      const high = Math.min(from - 1, low + 1);
      const share = position - low;
      for (let k = 0; k < width; k++) {
        const [a, b] = [data[(o * from + low) * width + k], data[(o * from + high) * width + k]];
        out[(o * to + i) * width + k] = (a as number) * (1 - share) + (b as number) * share;
      }
    }
  }
  return out;
}
