import type * as tf from '@tensorflow/tfjs';

/**
 * The gradient of `tile`: the copies of every axis become an axis of their own and are summed. TensorFlow.js's own cuts
 * out and adds every copy by itself, two kernels for each of thousands of queries.
 */
export const tileGradient: tf.GradConfig = {
  kernelName: 'Tile',
  inputsToSave: ['x'],
  gradFunc: (dy, saved, attributes) => {
    const [x] = saved as [tf.Tensor];
    const { reps } = attributes as unknown as { reps: number[] };
    return {
      x: () => {
        const parted: number[] = [];
        const copies: number[] = [];
        for (const [axis, size] of x.shape.entries()) {
          copies.push(parted.length);
          parted.push(reps[axis] as number, size);
        }
        return (dy as tf.Tensor).reshape(parted).sum(copies);
      },
    };
  },
};
