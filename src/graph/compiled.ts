import { isNative, type tf } from '../tf/index.js';
import { capture, graphOf, type Value } from './capture.js';
import { type Runnable, runnable } from './runnable.js';

type Tensors = Readonly<Record<string, tf.Tensor>>;

/**
 * A function as one graph of TensorFlow's, which stays until the process ends.
 *
 * @param f pure; it may use no tensors but its inputs
 * @param examples one tensor for each input, with which it is run once; the caller's
 * @returns undefined on the WebAssembly backend, and where no temporary file can be written
 * @throws ExportError for what a graph cannot hold
 */
export async function compiled(
  f: (inputs: Tensors) => Tensors,
  examples: Tensors,
): Promise<Runnable['run'] | undefined> {
  if (!isNative()) return undefined;
  const named = (of: Tensors, value: (x: tf.Tensor, index: number) => Value) =>
    Object.fromEntries(Object.entries(of).map(([name, x], i) => [name, value(x, i)]));
  const { graph, signature } = capture(Object.values(examples), ({ operations, inputs, valueFor }) => {
    const outputs = named(f(examples), valueFor);
    return graphOf(
      operations,
      named(examples, (_, i) => inputs[i] as Value),
      outputs,
    );
  });
  return (await runnable(graph, signature))?.run;
}
