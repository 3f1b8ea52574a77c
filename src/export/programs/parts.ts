import type { Program } from '../../graph/trace/trace.js';
import type { CellSam } from '../../models/cellsam.js';
import { tf } from '../../tf/index.js';

/** Tokens a side of the frame. */
export const gridOf = (model: CellSam): number => model.config.vit.imgSize / model.config.vit.patchSize;

/** What all programs of a model have in common. */
export function baseOf(model: CellSam): Pick<Program, 'weightNames'> {
  const { parameters } = model;
  return { weightNames: new Map(parameters.names().map((name) => [parameters.get(name).id, name])) };
}

/** The same numbers in every run. */
export const uniform = (shape: number[], low: number, high: number): tf.Tensor =>
  tf.randomUniform(shape, low, high, 'float32', 1);
