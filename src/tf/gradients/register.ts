import * as tf from '@tensorflow/tfjs';
import { batchMatMulGradient } from './batchMatMul.js';
import {
  addGradient,
  meanGradient,
  multiplyGradient,
  reluGradient,
  subtractGradient,
} from './elementwise.js';
import { resizeBilinearGradient } from './resizeBilinear.js';
import { tileGradient } from './tile.js';

/** Gradients that TensorFlow.js has wrong, slowly or not at all, and that the models need. */
const CORRECTED: readonly tf.GradConfig[] = [
  addGradient,
  batchMatMulGradient,
  meanGradient,
  multiplyGradient,
  reluGradient,
  resizeBilinearGradient,
  subtractGradient,
  tileGradient,
];

for (const gradient of CORRECTED) {
  if (tf.getGradient(gradient.kernelName) !== undefined) tf.unregisterGradient(gradient.kernelName);
  tf.registerGradient(gradient);
}
