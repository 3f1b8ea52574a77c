import type { CellSam } from '../models/cellsam.js';
import { ADAPTED, type AdaptOptions, PARTS } from './options.js';

/** What adaptation changes. */
export interface Trained {
  /** Weights that are trained in full. */
  readonly names: readonly string[];
  /** Weights that change by low-rank adapters. */
  readonly adapted: readonly string[];
  readonly rank: number;
  /** Whether masks depend on any of them; otherwise they are not learnt from, which saves the decoder. */
  readonly usesMasks: boolean;
}

/** What masks depend on. */
const MASKS = /mask_decoder\.|prompt_encoder\.|image_encoder\./;

/** Names of the weights of the parts that are asked for. */
export function trainedOf({ parameters }: CellSam, { parts, lora, rank }: AdaptOptions): Trained {
  const some = (patterns: readonly RegExp[]) =>
    parameters
      .names()
      .filter((name) => parameters.get(name).trainable && patterns.some((pattern) => pattern.test(name)));
  const names = some(parts.map((part) => new RegExp(PARTS[part])));
  const full = new Set(names);
  const adapted = some(lora.map((part) => new RegExp(ADAPTED[part]))).filter((name) => !full.has(name));
  return { names, adapted, rank, usesMasks: [...names, ...adapted].some((name) => MASKS.test(name)) };
}
