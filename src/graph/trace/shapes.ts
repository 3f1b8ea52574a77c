import { tf } from '../../tf/index.js';
import type { ElementType } from './graph.js';

interface Info {
  readonly shape: readonly number[];
  readonly dtype: ElementType;
}

type Inputs = Readonly<Record<string, tf.Tensor>>;
// biome-ignore lint/suspicious/noExplicitAny: each kernel has attributes of its own
type Rule = (inputs: Inputs, attrs: any) => Info[];

const list = (inputs: Inputs): tf.Tensor[] => Object.values(inputs).filter((t) => t !== undefined);
const first = (inputs: Inputs): tf.Tensor => list(inputs)[0] as tf.Tensor;
const typeOf = (t: tf.Tensor | undefined): ElementType => t?.dtype as ElementType;
const from = (axis: number, rank: number): number => (axis + rank) % rank;
const broadcast = (a: readonly number[], b: readonly number[]): number[] =>
  tf.broadcast_util.assertAndGetBroadcastShape([...a], [...b]);

const same: Rule = (inputs) => [{ shape: first(inputs).shape, dtype: typeOf(first(inputs)) }];

const binary =
  (dtype?: ElementType): Rule =>
  (inputs) => {
    const [a, b] = list(inputs) as [tf.Tensor, tf.Tensor];
    return [{ shape: broadcast(a.shape, b.shape), dtype: dtype ?? typeOf(a) }];
  };

const reduction =
  (dtype?: ElementType): Rule =>
  (inputs, { axis, keepDims }) => {
    const x = first(inputs);
    const axes = [axis].flat().map((a: number) => from(a, x.rank));
    const shape = keepDims
      ? x.shape.map((d, k) => (axes.includes(k) ? 1 : d))
      : x.shape.filter((_, k) => !axes.includes(k));
    return [{ shape, dtype: dtype ?? typeOf(x) }];
  };

const matMul: Rule = (inputs, { transposeA, transposeB }) => {
  const a = inputs['a']?.shape as number[];
  const b = inputs['b']?.shape as number[];
  const batch = broadcast(a.slice(0, -2), b.slice(0, -2));
  const shape = [...batch, a.at(transposeA ? -1 : -2) as number, b.at(transposeB ? -2 : -1) as number];
  return [{ shape, dtype: 'float32' }];
};

const convolution: Rule = (inputs, { strides, dilations, pad, dimRoundingMode }) => {
  const shape = (name: string) => inputs[name]?.shape as [number, number, number, number];
  const info = tf.backend_util.computeConv2DInfo(
    shape('x'),
    shape('filter'),
    strides,
    dilations,
    pad,
    dimRoundingMode,
  );
  return [{ shape: info.outShape, dtype: 'float32' }];
};

const inserted = (shape: readonly number[], axis: number, size: number): number[] =>
  shape.toSpliced(axis < 0 ? axis + shape.length + 1 : axis, 0, size);

const withAxis = (shape: readonly number[], axis: number, size: number): number[] =>
  shape.map((d, k) => (k === axis ? size : d));

const resize: Rule = ({ images }, { size }) => {
  const [batch = 0, , , channels = 0] = images?.shape ?? [];
  return [{ shape: [batch, ...(size as number[]), channels], dtype: 'float32' }];
};

const each = (names: string, rule: Rule): Record<string, Rule> =>
  Object.fromEntries(names.split(' ').map((name) => [name, rule]));

/**
 * The shape of every kernel's result, so that a trace need not compute anything: with them the largest encoder is traced
 * in seconds and in no memory.
 */
export const shapeRules: Readonly<Record<string, Rule>> = {
  ...each('Neg Abs Exp Log Sqrt Rsqrt Square Sin Cos Erf Tanh Sigmoid Relu Relu6 Floor Round Softmax', same),
  ...each('ZerosLike ClipByValue Identity Reciprocal LogicalNot Cumsum', same),
  ...each('Add Sub Multiply RealDiv Pow Maximum Minimum FloorDiv Mod SquaredDifference', binary()),
  ...each('Greater GreaterEqual Less LessEqual Equal NotEqual LogicalAnd LogicalOr', binary('bool')),
  ...each('Sum Max Min Prod', reduction()),
  Mean: reduction('float32'),
  ArgMax: (inputs, { axis }) => reduction('int32')(inputs, { axis, keepDims: false }),
  ...each('BatchMatMul _FusedMatMul', matMul),
  ...each('Conv2D FusedConv2D', convolution),
  ...each('ResizeBilinear ResizeNearestNeighbor', resize),
  Cast: (inputs, { dtype }) => [{ shape: first(inputs).shape, dtype }],
  Select: ({ condition, t, e }) => [
    {
      shape: broadcast(broadcast(t?.shape ?? [], e?.shape ?? []), condition?.shape ?? []),
      dtype: typeOf(t),
    },
  ],
  Reshape: (inputs, { shape }) => {
    const x = first(inputs);
    return [{ shape: tf.util.inferFromImplicitShape([...shape], x.size), dtype: typeOf(x) }];
  },
  ExpandDims: (inputs, { dim }) => {
    const x = first(inputs);
    return [{ shape: inserted(x.shape, dim, 1), dtype: typeOf(x) }];
  },
  Transpose: (inputs, { perm }) => {
    const x = first(inputs);
    return [{ shape: perm.map((p: number) => x.shape[p]), dtype: typeOf(x) }];
  },
  Tile: (inputs, { reps }) => {
    const x = first(inputs);
    return [{ shape: x.shape.map((d, k) => d * reps[k]), dtype: typeOf(x) }];
  },
  PadV2: (inputs, { paddings }) => {
    const x = first(inputs);
    return [{ shape: x.shape.map((d, k) => d + paddings[k][0] + paddings[k][1]), dtype: typeOf(x) }];
  },
  Concat: (inputs, { axis }) => {
    const x = first(inputs);
    const k = from(axis, x.rank);
    const size = list(inputs).reduce((n, t) => n + (t.shape[k] as number), 0);
    return [{ shape: withAxis(x.shape, k, size), dtype: typeOf(x) }];
  },
  Pack: (inputs, { axis }) => {
    const x = first(inputs);
    return [{ shape: inserted(x.shape, axis, list(inputs).length), dtype: typeOf(x) }];
  },
  SplitV: (inputs, { axis, numOrSizeSplits }) => {
    const x = first(inputs);
    const k = from(axis, x.rank);
    const sizes = tf.backend_util.prepareSplitSize(x, numOrSizeSplits, k);
    return sizes.map((size) => ({ shape: withAxis(x.shape, k, size), dtype: typeOf(x) }));
  },
  Slice: (inputs, { begin, size }) => {
    const x = first(inputs);
    return [{ shape: tf.slice_util.parseSliceParams(x, begin, size)[1] as number[], dtype: typeOf(x) }];
  },
  GatherV2: ({ x, indices }, { axis, batchDims }) => {
    const [source, at] = [x?.shape ?? [], indices?.shape ?? []];
    const k = from(axis, source.length);
    return [
      { shape: [...source.slice(0, k), ...at.slice(batchDims), ...source.slice(k + 1)], dtype: typeOf(x) },
    ];
  },
  TopK: (inputs, { k }) => {
    const x = first(inputs);
    const shape = withAxis(x.shape, x.rank - 1, k);
    return [
      { shape, dtype: typeOf(x) },
      { shape, dtype: 'int32' },
    ];
  },
};
