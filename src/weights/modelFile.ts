import { writeSafetensors } from '../io/safetensors.js';
import type { ModelConfig } from '../models/options.js';
import type { NamedArrays } from './arrays.js';

/** The thresholds that `segment` understands; see src/segment/thresholds.ts. */
type Thresholds = Readonly<Record<'box' | 'boxShare' | 'meanShare' | 'iou' | 'mask', number>>;

/** What a model file tells about itself besides its weights. */
export interface ModelCard {
  readonly config: ModelConfig;
  /** Found on validation images; `segment` uses them. */
  readonly thresholds: Thresholds;
  /** How it was made, in words. */
  readonly training: string;
  readonly licence: string;
}

/** Writes weights and card as one `.safetensors` file; `half` stores float16. */
export function saveModelFile(
  path: string,
  weights: NamedArrays,
  card: ModelCard,
  half = false,
): Promise<void> {
  const { config, thresholds, training, licence } = card;
  const metadata = {
    format: 'cellsam-1',
    config: JSON.stringify(config),
    thresholds: JSON.stringify(thresholds),
    training,
    licence,
  };
  return writeSafetensors(path, weights, { metadata, half });
}
