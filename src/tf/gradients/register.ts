import * as tf from '@tensorflow/tfjs';
import { batchMatMulGradient } from './batchMatMul.js';
import { resizeBilinearGradient } from './resizeBilinear.js';

/** Gradients that TensorFlow.js has wrong or not at all, and that the models need. */
const CORRECTED: readonly tf.GradConfig[] = [batchMatMulGradient, resizeBilinearGradient];

for (const gradient of CORRECTED) {
  if (tf.getGradient(gradient.kernelName) !== undefined) tf.unregisterGradient(gradient.kernelName);
  tf.registerGradient(gradient);
}
