import type { CellSam } from '../models/cellsam.js';
import type { ModelConfig } from '../models/options.js';
import { loadModelFile, type ModelCard } from '../weights/modelFile.js';
import { shippedModel } from '../weights/shippedModel.js';
import { CellSegmenter } from './cellSegmenter.js';
import { OnnxEngine, type OnnxOptions } from './engines/onnx.js';
import { TensorFlowEngine } from './engines/tensorflow.js';
import type { SegmentOptions } from './options.js';

/**
 * Loads a model file, the shipped one when none is named: one that `cellsam train` wrote, CellSAM's published checkpoint
 * (`.pt`, `.safetensors`), or, with `config`, any weights under published names.
 *
 * @param options.onUnused is told the names of weights that the model does not use
 * @throws WeightsError when it is not such a file
 */
export async function loadCellSam(
  path: string = shippedModel,
  options: Partial<SegmentOptions> & {
    readonly config?: ModelConfig;
    readonly onUnused?: (names: readonly string[]) => void;
  } = {},
): Promise<CellSegmenter> {
  const { config, onUnused, ...own } = options;
  const { model, card } = await loadModelFile(path, config, onUnused === undefined ? {} : { onUnused });
  return segmenterOf(model, card, own);
}

/** A live model with the thresholds and the input scaling that its file tells, unless others are asked for. */
export function segmenterOf(
  model: CellSam,
  { thresholds, scaling = 'plain' }: Pick<ModelCard, 'thresholds' | 'scaling'>,
  options: Partial<SegmentOptions> = {},
): CellSegmenter {
  const { scaling: asked = 'auto' } = options;
  const engine = new TensorFlowEngine(model, asked === 'auto' ? scaling : asked);
  return new CellSegmenter(model, options, thresholds, engine);
}

/**
 * Opens what `cellsam export --to onnx` wrote, to run on ONNX Runtime.
 *
 * @param options.precision which of its files; float32 when absent
 * @throws WeightsError when it is not such a folder; SetupError without onnxruntime-node
 */
export async function openOnnx(
  folder: string,
  options: Partial<SegmentOptions> & Pick<OnnxOptions, 'precision'> = {},
): Promise<CellSegmenter> {
  const { precision = 'float32', ...own } = options;
  const scaling = own.scaling === undefined || own.scaling === 'auto' ? {} : { scaling: own.scaling };
  const { engine, thresholds } = await OnnxEngine.open(folder, { precision, ...scaling });
  return new CellSegmenter(engine, own, thresholds);
}
