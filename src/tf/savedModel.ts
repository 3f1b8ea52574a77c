import type * as tf from '@tensorflow/tfjs';
import { isNative, node } from './backend.js';

/** A signature of a SavedModel, ready to run. */
export interface LoadedSignature {
  predict(inputs: tf.NamedTensorMap): tf.Tensor | tf.Tensor[] | tf.NamedTensorMap;
  dispose(): void;
}

/** Opens one signature of a folder; undefined on the WebAssembly backend. */
export async function loadSavedModel(): Promise<
  ((folder: string, signature: string) => Promise<LoadedSignature>) | undefined
> {
  if (!isNative()) return undefined;
  return async (folder, signature) =>
    (await node().loadSavedModel(folder, ['serve'], signature)) as unknown as LoadedSignature;
}
