import type { CellSam } from '../models/cellsam.js';
import type { Thresholds } from '../segment/thresholds.js';
import type { PartGraphs } from '../train/partGraphs.js';
import type { AnnotatedField } from './annotated.js';
import type { FeatureCache } from './featureCache.js';
import type { AdaptOptions } from './options.js';
import type { AdaptScore } from './score.js';

export interface AdaptRequest {
  /** Changed in place; it ends adapted, or as it was when adaptation did not help. */
  readonly model: CellSam;
  /** What adaptation has to beat, where it is not `model` as it comes: the same before its queries were trimmed. */
  readonly rival?: CellSam | undefined;
  readonly thresholds: Thresholds;
  readonly fields: readonly AnnotatedField[];
  readonly options: AdaptOptions;
  readonly cache: FeatureCache;
  /** When the budget began to run, in ms of `performance.now()`; at the call when absent. */
  readonly started?: number;
  /** Scores of the model as it is, kept from one adaptation to the next; added to. */
  readonly known?: Map<string, Known>;
}

/** With what all rounds have in common. */
export type RoundRequest = AdaptRequest & { readonly graphs: PartGraphs };

/** Scores of the model as it is on some fields, and what they took in ms. */
export interface Known {
  readonly scores: readonly AdaptScore[];
  readonly milliseconds: number;
}
