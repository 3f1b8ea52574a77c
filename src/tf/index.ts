/**
 * The only place that names a TensorFlow.js package. Importing it loads a backend: TensorFlow itself through
 * tfjs-node, or WebAssembly where set-up could not bring the library.
 */
import './load.js';
import './gradients/register.js';

export * as tf from '@tensorflow/tfjs';
export {
  type BackendInfo,
  backendInfo,
  isNative,
  isOnGpu,
  isPortable,
  node,
  portable,
  requireTraining,
} from './backend.js';
export { accumulate, into, pipe } from './free.js';
export {
  anyBackend,
  type EngineInternals,
  engine,
  type Int64,
  type KernelAttribute,
  type NativeBackend,
  nativeBackend,
} from './internals.js';
export { detach, noTape, op } from './operators.js';
export { affine } from './ops/affine.js';
export { bfloat16Obstacle, bfloat16Product } from './ops/bfloat16.js';
export { gelu } from './ops/gelu.js';
export { attributes, kernel, TYPE_NUMBERS } from './ops/kernel.js';
export { layerNorm, layerNormGradients, normalisePortable } from './ops/layerNorm.js';
export { type Product, product } from './ops/matmul.js';
export { Resource, resourceAdam } from './ops/resource.js';
export { squaredLengths } from './ops/squaredLengths.js';
export { gradientsApart, isTaping, jointOp, recomputed } from './recompute.js';
