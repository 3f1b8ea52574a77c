import { expect, test } from '@jest/globals';
import { ExportError } from '../../src/core/errors.js';
import { toOnnx } from '../../src/export/onnx/convert.js';
import { addProgram } from '../../src/graph/tensorflow/convert.js';
import { GraphDef } from '../../src/graph/tensorflow/graphDef.js';
import { type Program, traceProgram } from '../../src/graph/trace/trace.js';
import { tf } from '../../src/tf/index.js';

type Run = (x: tf.Tensor2D, n: number) => tf.Tensor;
const older = tf.tensor1d([1, 2, 3, 4]);

function programOf(run: Run, names = new Map<number, string>()): Program {
  return {
    name: 'refused',
    about: '',
    symbols: { B: { dim: ['x', 0] } },
    sizes: [{ B: 2 }, { B: 3 }, { B: 5 }],
    weightNames: names,
    inputs: ({ B = 1 }) => ({ x: tf.randomNormal([B, 4], 0, 1, 'float32', B) }),
    run: ({ x }, { B = 1 }) => ({ y: run(x as tf.Tensor2D, B) }),
  };
}

test.each<[string, Run, RegExp]>([
  ['a value read on the host', (x) => x.mul(x.dataSync()[0] as number), /read on the host/],
  [
    'a value read on the host, the error caught',
    (x) => {
      try {
        x.arraySync();
      } catch {}
      return x.add(1);
    },
    /read on the host/,
  ],
  [
    'a large number that is read on the host',
    (x) => x.mul(tf.ones([2100, 2100]).neg().dataSync()[0] as number),
    /more than 4194304 numbers is read on the host/,
  ],
  ['random numbers', (x, n) => x.mul(tf.randomUniform([n, 4])), /change between traces/],
  ['another path for other sizes', (x, n) => (n > 2 ? x.relu() : x.abs()), /another path/],
  [
    'a loop over the batch',
    (x, n) => tf.stack(Array.from({ length: n }, (_, i) => x.slice([i, 0], [1, 4]).add(i))),
    /another path/,
  ],
  ['sizes that are rounded', (x, n) => x.flatten().slice(0, Math.ceil((4 * n) / 3)), /no simple function/],
  ['a result that depends on no input', () => older.mul(2), /depends on no input/],
  ['a kernel without a shape rule', (x) => tf.linalg.bandPart(x, 1, 1).add(tf.atan(x)), /`Atan`|no rule/],
])('%s is refused', (_, run, message) => {
  expect(() => traceProgram(programOf(run))).toThrow(ExportError);
  expect(() => traceProgram(programOf(run))).toThrow(message);
});

test('a kernel without a mapping is named with the weight beside it', () => {
  const weight = tf.variable(tf.ones([4]));
  const names = new Map([[weight.id, 'model.block.3.norm.weight']]);
  const program = programOf((x) => x.mul(weight).relu6(), names);
  const graph = traceProgram(program);
  expect(() => toOnnx(graph)).toThrow(/no mapping for the kernel `Relu6` near `model\.block\.3\.norm`/);
  expect(() => addProgram({ program, graph }, new GraphDef(), '')).toThrow(
    /TensorFlow has no mapping for the kernel `Relu6` near `model\.block\.3\.norm`/,
  );
  weight.dispose();
});

test('what is hooked for a trace is put back after an error', () => {
  const engine = tf.engine() as unknown as { runKernelFunc: unknown };
  expect(() => traceProgram(programOf((x) => tf.atan(x)))).toThrow(ExportError);
  expect(Object.hasOwn(engine, 'runKernelFunc')).toBe(false);
  expect(older.mul(2).dataSync()[3]).toBe(8);
});
