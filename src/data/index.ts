/** `cellsam/data`: heterogeneous datasets as samples and batches, without TensorFlow. */
export { type Dataset, openDataset } from './dataset.js';
export { FORMAT_NAMES, type FormatName } from './formats/formats.js';
export { recogniseLayout } from './formats/recognise.js';
export { type Loader, type LoaderRequest, openLoader } from './loader/loader.js';
export { type DataOptions, dataOptions } from './options.js';
export { readPixelImage } from './readImage.js';
export type { Batch, Cursor, Instances, Sample } from './sample.js';
export { simulate } from './simulate/simulate.js';
