import { anyBackend, engine, type tf } from '../../tf/index.js';
import type { ConstantData } from './graph.js';

/** A tensor with a shape and no contents; it can be disposed of like any other. */
export function hollow(shape: readonly number[], dtype: tf.DataType): tf.Tensor {
  const dataId = {};
  anyBackend().move(dataId, null, shape, dtype, 1);
  return engine().makeTensorFromTensorInfo({ dataId, shape: [...shape], dtype });
}

/** Contents by buffer, so that all traces of one model share one copy of its weights. */
const contents = new WeakMap<object, ConstantData>();

export function contentsOf(t: tf.Tensor): ConstantData {
  const known = contents.get(t.dataId);
  if (known !== undefined) return known;
  const data = anyBackend().readSync(t.dataId).slice();
  contents.set(t.dataId, data);
  return data;
}
