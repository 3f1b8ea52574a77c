import { isNative, type tf } from '../tf/index.js';
import { capture, graphOf, mapped } from './capture.js';
import { type Runnable, runnable } from './runnable.js';

type Tensors = Readonly<Record<string, tf.Tensor>>;

/**
 * A function as one graph of TensorFlow's.
 *
 * @param f pure; it may use no tensors but its inputs
 * @param examples one tensor for each input, with which it is run once; the caller's
 * @returns undefined on the WebAssembly backend, and where no temporary file can be written
 * @throws ExportError for what a graph cannot hold
 */
export async function compiled(
  f: (inputs: Tensors) => Tensors,
  examples: Tensors,
): Promise<Runnable | undefined> {
  if (!isNative()) return undefined;
  const { graph, signature } = capture((own) => {
    const inputs = mapped(examples, (x) => own.input(x));
    const outputs = f(inputs);
    const valuesOf = (of: Tensors) => mapped(of, (x) => own.valueFor(x));
    return graphOf(own.operations, valuesOf(inputs), valuesOf(outputs));
  });
  return runnable(graph, signature);
}
