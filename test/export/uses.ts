import type { NamedTensors } from '../../src/graph/trace/record.js';
import type { Program } from '../../src/graph/trace/trace.js';
import { gelu, layerNorm, tf } from '../../src/tf/index.js';

export type Run = (x: tf.Tensor4D, n: number) => tf.Tensor;
const c = tf.randomNormal([4, 3], 0, 1, 'float32', 3) as tf.Tensor2D;
const filter = tf.randomNormal([3, 3, 4, 5], 0, 1, 'float32', 4) as tf.Tensor4D;
const index = tf.tensor1d([2, 0, 1], 'int32');
const positive = (x: tf.Tensor) => x.abs().add(0.1);

/** A use of every kernel that has a row; x is `[B, 6, 5, 4]`. */
export const USES: Readonly<Record<string, Run>> = {
  Add: (x) => x.add(1),
  Sub: (x) => tf.sub(1, x),
  Multiply: (x) => x.mul(x.slice([0, 0, 0, 0], [-1, 1, -1, -1])),
  RealDiv: (x) => x.div(3),
  Pow: (x) => positive(x).pow(1.5),
  Maximum: (x) => x.maximum(0.2),
  Minimum: (x) => x.minimum(0.2),
  Neg: (x) => x.neg(),
  Abs: (x) => x.abs(),
  Exp: (x) => x.exp(),
  Log: (x) => positive(x).log(),
  Sqrt: (x) => positive(x).sqrt(),
  Rsqrt: (x) => positive(x).rsqrt(),
  Reciprocal: (x) => positive(x).reciprocal(),
  Square: (x) => x.square(),
  SquaredDifference: (x) => tf.squaredDifference(x, 0.3),
  Sin: (x) => x.sin(),
  Cos: (x) => x.cos(),
  Erf: (x) => x.erf(),
  Tanh: (x) => x.tanh(),
  Sigmoid: (x) => x.sigmoid(),
  Relu: (x) => x.relu(),
  Floor: (x) => x.mul(3).floor(),
  Round: (x) => x.mul(3).round(),
  FloorDiv: (x) => x.mul(9).toInt().floorDiv(tf.scalar(4, 'int32')),
  Greater: (x) => x.greater(0.1),
  GreaterEqual: (x) => x.greaterEqual(0.1),
  Less: (x) => x.less(0.1),
  LessEqual: (x) => x.lessEqual(0.1),
  Equal: (x) => x.round().equal(0),
  NotEqual: (x) => x.round().notEqual(0),
  LogicalAnd: (x) => x.greater(0).logicalAnd(x.less(1)),
  LogicalOr: (x) => x.greater(1).logicalOr(x.less(0)),
  LogicalNot: (x) => x.greater(1).logicalNot(),
  Cast: (x) => x.mul(5).toInt(),
  Select: (x) => tf.where(x.greater(0), x, x.mul(2)),
  ClipByValue: (x) => x.clipByValue(-0.5, 0.4),
  ZerosLike: (x) => x.add(tf.zerosLike(x.mul(2))),
  Fill: (x, n) => x.add(tf.fill([n, 1, 1, 4], -1)),
  Range: (x, n) => x.mul(tf.range(0, n).reshape([n, 1, 1, 1])),
  Reshape: (x, n) => x.reshape([n * 6, 20]).reshape([n, 2, 3, 20]),
  Transpose: (x) => x.transpose([3, 0, 2, 1]),
  Tile: (x) => x.tile([2, 1, 3, 1]),
  Concat: (x) => tf.concat([x, x.mul(2)], -2),
  Pack: (x) => tf.stack([x, x.neg()], -1),
  SplitV: (x) => (x.split([1, 3], -1)[1] as tf.Tensor).add(1),
  Slice: (x) => x.slice([0, 1, 0, 2], [-1, 3, -1, 1]),
  PadV2: (x) =>
    x.pad([
      [0, 0],
      [1, 2],
      [0, 1],
      [0, 0],
    ]),
  Mean: (x) => x.mean([1, -1], true),
  Sum: (x) => x.sum([2]),
  Max: (x) => x.max(-1),
  Min: (x) => x.min(1, true),
  Prod: (x) => x.prod(3),
  ArgMax: (x) => x.argMax(1),
  Cumsum: (x) => x.cumsum(1),
  Softmax: (x) => x.softmax(),
  TopK: (x) => tf.topk(x, 3).values.add(tf.topk(x, 3).indices),
  Mod: (x) => x.mul(7).toInt().mod(tf.scalar(3, 'int32')),
  BatchMatMul: (x) => tf.matMul(x, x, false, true),
  GatherV2: (x) => x.gather(index, 2),
  Conv2D: (x) => tf.conv2d(x, filter, 2, 'same'),
  ResizeBilinear: (x) => tf.image.resizeBilinear(x, [9, 11], false, true),
  ResizeNearestNeighbor: (x) => tf.image.resizeNearestNeighbor(x, [12, 10], false, true),
  LayerNorm: (x) => layerNorm(x, tf.tensor1d([1, 2, 3, 4]), tf.tensor1d([4, 3, 2, 1]), 1e-5),
  Gelu: (x) => gelu(x.mul(2)),
};

/** Further forms of a kernel with attributes that take another way through its row. */
export const FORMS: Readonly<Record<string, Run>> = {
  'a product with a bias and an activation': (x) =>
    tf.fused.matMul({
      a: x.reshape([-1, 4]) as tf.Tensor2D,
      b: c,
      bias: tf.tensor1d([1, 2, 3]),
      activation: 'relu',
    }),
  'a product with its left side turned': (x) => tf.matMul(x, x.add(1), true, false),
  'a product with its constant side turned': (x) =>
    tf.matMul(x.reshape([-1, 4]) as tf.Tensor2D, c.transpose() as tf.Tensor2D, false, true),
  'a sum that runs backwards': (x) => x.cumsum(2, true, true),
  'a resize without centres': (x) => tf.image.resizeBilinear(x, [4, 4]),
  'a resize with aligned corners': (x) => tf.image.resizeBilinear(x, [9, 4], true),
  'a gather with batch axes': (x) =>
    tf.gather(
      x.reshape([-1, 30, 4]),
      x.reshape([-1, 120]).argMax(1).reshape([-1, 1]).mul(0).toInt().add(tf.scalar(1, 'int32')),
      1,
      1,
    ),
  'a number that follows the size': (x, n) => x.mul(n - 2.5),
  'a large constant that a trace does not compute': (x, n) => {
    const large = tf.fill([n, 3e6], 0.5).exp();
    return x.mul(large.slice([0, 0], [-1, 1]).reshape([n, 1, 1, 1]));
  },
  'two sizes that are not known': (x, n) =>
    x
      .reshape([n, 6, 5, 4])
      .tile([1, n, 1, 1])
      .reshape([n, 6 * n, 20]),
};

/** The constants above, which live as long as the tests of a file. */
export const disposeUses = (): void => tf.dispose([c, filter, index]);

/** A program of one use, with a batch of any size. */
export function programOf(run: Run): Program {
  return {
    name: 'use',
    about: '',
    symbols: { B: { dim: ['x', 0] } },
    sizes: [{ B: 2 }, { B: 3 }, { B: 7 }],
    weightNames: new Map(),
    inputs: ({ B = 1 }) => ({ x: tf.randomNormal([B, 6, 5, 4], 0, 1, 'float32', B) }),
    run: ({ x }, { B = 1 }): NamedTensors => ({ y: run(x as tf.Tensor4D, B) }),
  };
}
