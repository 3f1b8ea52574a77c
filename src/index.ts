/** The library's public names. Models as layers: `cellsam/models`; datasets and batches: `cellsam/data`; metrics without TensorFlow: `cellsam/evaluate`. */
export { loadConfig } from './config/load.js';
export { CellsamError } from './core/errors.js';
export type { EventListener, JobContext, JobEvent } from './core/events.js';
export { openDataset } from './data/dataset.js';
export { readPixelImage as readImage } from './data/readImage.js';
export type { Sample } from './data/sample.js';
export { simulate } from './data/simulate/simulate.js';
export type { Boxes, LabelImage, PixelImage } from './image/types.js';
export { adaptJob as adapt, adaptJobOptions } from './jobs/adapt.js';
export { check as checkDataset, checkJobOptions } from './jobs/check.js';
export { evaluate, evaluateJobOptions } from './jobs/evaluate.js';
export { exportJob as exportModel, exportJobOptions } from './jobs/export.js';
export { trainJob as train, trainJobOptions } from './jobs/train.js';
export { CellSegmenter } from './segment/cellSegmenter.js';
export { Cells } from './segment/cells.js';
export { loadCellSam } from './segment/loadCellSam.js';
export { type OutputName, saveOutputs } from './segment/outputs/outputs.js';
