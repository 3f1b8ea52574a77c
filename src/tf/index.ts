/**
 * The only place that names a TensorFlow.js package. Importing it loads a backend: TensorFlow itself through
 * tfjs-node, or WebAssembly where set-up could not bring the library.
 */
import './load.js';
import './gradients/register.js';

export * as tf from '@tensorflow/tfjs';
export { type BackendInfo, backendInfo, isNative, node, requireTraining } from './backend.js';
export { detach, noTape, op } from './operators.js';
export { gelu } from './ops/gelu.js';
export { attributes, kernel } from './ops/kernel.js';
export { layerNorm, normaliseNative, normalisePortable } from './ops/layerNorm.js';
