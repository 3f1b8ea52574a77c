/** `cellsam/models`: the layers, for users of `tf.model` and `tf.loadLayersModel`, and the model as a whole. */
export { CellSam, disposeEncoded, type Encoded, weightSpecs } from './cellsam.js';
export { CellFinderLayer } from './layers/cellFinderLayer.js';
export { ImageEncoderLayer } from './layers/imageEncoderLayer.js';
export { MaskDecoderLayer } from './layers/maskDecoderLayer.js';
export { PromptEncoderLayer } from './layers/promptEncoderLayer.js';
export { type ModelConfig, modelOptions } from './options.js';
export { PRESETS, preset } from './presets.js';
