import * as tf from '@tensorflow/tfjs';
import { isNative } from '../backend.js';
import { attributes as a, kernel } from '../ops/kernel.js';
import { sumTo } from './sumTo.js';

/*
 * TensorFlow.js's own gradients of these call a kernel for every reshape and cast, even to the shape and type that are
 * there; of relu, six over the whole tensor. Behind kept features these calls were a quarter of all in a training step.
 */

/** Of a kernel of two inputs, of which either may have been broadcast. */
const ofPair = (
  kernelName: string,
  gradients: (dy: tf.Tensor, left: tf.Tensor, right: tf.Tensor) => { a: () => tf.Tensor; b: () => tf.Tensor },
): tf.GradConfig => ({
  kernelName,
  inputsToSave: ['a', 'b'],
  gradFunc: (dy, saved) => {
    const [left, right] = saved as [tf.Tensor, tf.Tensor];
    return gradients(dy as tf.Tensor, left, right);
  },
});

export const addGradient = ofPair('Add', (dy, left, right) => ({
  a: () => sumTo(dy, left.shape),
  b: () => sumTo(dy, right.shape),
}));

export const subtractGradient = ofPair('Sub', (dy, left, right) => ({
  a: () => sumTo(dy, left.shape),
  b: () => sumTo(dy, right.shape).neg(),
}));

export const multiplyGradient = ofPair('Multiply', (dy, left, right) => ({
  a: () => sumTo(dy.mul(right), left.shape),
  b: () => sumTo(dy.mul(left), right.shape),
}));

/** Divided before it is spread out, not after. */
export const meanGradient: tf.GradConfig = {
  kernelName: 'Mean',
  inputsToSave: ['x'],
  gradFunc: (dy, saved, attributes) => {
    const [x] = saved as [tf.Tensor];
    const axes = tf.util.parseAxisParam((attributes as unknown as { axis: number[] }).axis, x.shape);
    const shape = x.shape.map((size, i) => (axes.includes(i) ? 1 : size));
    const count = x.shape.reduce((n, size, i) => (axes.includes(i) ? n * size : n), 1);
    return {
      x: () =>
        (dy as tf.Tensor)
          .div(count)
          .reshape(shape)
          .tile(x.shape.map((size, i) => (axes.includes(i) ? size : 1))),
    };
  },
};

export const reluGradient: tf.GradConfig = {
  kernelName: 'Relu',
  inputsToSave: ['x'],
  gradFunc: (dy, saved) => {
    const [x] = saved as [tf.Tensor];
    const d = dy as tf.Tensor;
    return {
      x: () =>
        isNative()
          ? (kernel('ReluGrad', [a.type('T', 'float32')], [d, x], 1)[0] as tf.Tensor)
          : d.mul(x.step()),
    };
  },
};
