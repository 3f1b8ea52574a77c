import { convolutionOf } from '../trace/convolution.js';
import {
  type Attribute,
  axesOf,
  axisOf,
  dimsOf,
  inputOf,
  inputsOf,
  type Node,
  outputOf,
} from '../trace/graph.js';
import { type Dim, label } from '../trace/symbols.js';
import type { Converter } from './converter.js';
import type { NodeAttribute } from './graphDef.js';

/** Makes a kernel's operations and names its outputs. */
type Row = (c: Converter, node: Node) => string | readonly string[];

/** Kernels that are one operation with the same inputs and the type of the first as `T`. */
const PLAIN: Readonly<Record<string, string>> = {
  Add: 'AddV2',
  Multiply: 'Mul',
  Mod: 'FloorMod',
  ...Object.fromEntries(
    (
      'Sub RealDiv Pow Maximum Minimum FloorDiv SquaredDifference Neg Abs Exp Log Sqrt Rsqrt Square Sin Cos Erf Tanh ' +
      'Sigmoid Relu Floor Round Reciprocal Softmax ZerosLike Greater GreaterEqual Less LessEqual Equal NotEqual'
    )
      .split(' ')
      .map((name) => [name, name]),
  ),
};

const int32 = { type: 'int32' } as const;
const typeOf = (c: Converter, id: number): Readonly<Record<'T', NodeAttribute>> => ({
  T: { type: c.dtype(id) },
});

const plain =
  (type: string): Row =>
  (c, node) =>
    c.op(type, c.values(node), typeOf(c, inputOf(node)));

const logical =
  (type: string): Row =>
  (c, node) =>
    c.op(type, c.values(node));

const reduction =
  (type: string): Row =>
  (c, node) => {
    const x = inputOf(node);
    const axes = c.target.ints(axesOf(node.attrs['axis'], c.shape(x).length));
    const keep = { bool: node.attrs['keepDims'] === true };
    return c.op(type, [c.value(x), axes], { keep_dims: keep, ...typeOf(c, x), Tidx: int32 });
  };

const resize =
  (type: string): Row =>
  (c, node) => {
    const { alignCorners, halfPixelCenters } = node.attrs;
    const size = c.dims(c.shape(outputOf(node)).slice(1, 3));
    return c.op(type, [c.value(inputOf(node)), size], {
      T: { type: 'float32' },
      align_corners: { bool: alignCorners === true },
      half_pixel_centers: { bool: halfPixelCenters === true },
    });
  };

const convolution: Row = (c, node) => {
  const { x, filter, info } = convolutionOf(c.graph, node);
  return c.op('Conv2D', [c.value(x), c.value(filter)], {
    T: { type: 'float32' },
    strides: { ints: [1, info.strideHeight, info.strideWidth, 1] },
    dilations: { ints: [1, info.dilationHeight, info.dilationWidth, 1] },
    padding: { text: info.padInfo.type },
    data_format: { text: 'NHWC' },
  });
};

const matMul: Row = (c, node) =>
  c.op('BatchMatMulV2', [c.value(inputOf(node, 'a')), c.value(inputOf(node, 'b'))], {
    T: { type: 'float32' },
    adj_x: { bool: node.attrs['transposeA'] === true },
    adj_y: { bool: node.attrs['transposeB'] === true },
  });

const gather: Row = (c, node) => {
  const [x, indices] = [inputOf(node, 'x'), inputOf(node, 'indices')];
  const axis = c.target.int(axisOf(node.attrs['axis'], c.shape(x).length));
  return c.op('GatherV2', [c.value(x), c.value(indices), axis], {
    batch_dims: { int: node.attrs['batchDims'] as number },
    Tparams: { type: c.dtype(x) },
    Tindices: int32,
    Taxis: int32,
  });
};

const slice: Row = (c, node) => {
  const x = inputOf(node);
  const [from, to] = [c.shape(x), c.shape(outputOf(node))];
  const given = dimsOf(node.attrs['begin']);
  const begin = to.map((_, i) => given[i] ?? 0);
  const isWhole = (d: Dim, i: number) => begin[i] === 0 && label(from[i] ?? 0) === label(d);
  const size = to.map((d, i) => (isWhole(d, i) ? -1 : d));
  return c.op('Slice', [c.value(x), c.dims(begin), c.dims(size)], { ...typeOf(c, x), Index: int32 });
};

const split: Row = (c, node) => {
  const x = inputOf(node);
  const axis = axisOf(node.attrs['axis'], c.shape(x).length);
  const sizes = c.dims(node.outputs.map((id) => c.shape(id)[axis] ?? 0));
  const attrs = { num_split: { int: node.outputs.length }, ...typeOf(c, x), Tlen: int32 };
  const name = c.op('SplitV', [c.value(x), sizes, c.target.int(axis)], attrs);
  return node.outputs.map((_, i) => (i === 0 ? name : `${name}:${i}`));
};

const pad: Row = (c, node) => {
  const x = inputOf(node);
  const paddings = (node.attrs['paddings'] as readonly Attribute[]).map(dimsOf);
  const flat = c.dims(paddings.flat());
  const shaped = c.op('Reshape', [flat, c.target.ints([paddings.length, 2])], { T: int32, Tshape: int32 });
  const value = c.filled(node.attrs['constantValue'] as number, [], c.dtype(x));
  return c.op('PadV2', [c.value(x), shaped, value], { ...typeOf(c, x), Tpaddings: int32 });
};

/** Kernel of TensorFlow.js -> operations of TensorFlow. What has no row cannot be in a graph. */
export const kernels: Readonly<Record<string, Row>> = {
  ...Object.fromEntries(Object.entries(PLAIN).map(([kernel, type]) => [kernel, plain(type)])),
  LogicalAnd: logical('LogicalAnd'),
  LogicalOr: logical('LogicalOr'),
  LogicalNot: logical('LogicalNot'),
  Fill: (c, node) => c.filled(Number(node.attrs['value']), c.shape(outputOf(node)), c.dtype(outputOf(node))),
  Range: (c, node) => {
    const ends = ['start', 'stop', 'step'].map((name) => c.scalar(node.attrs[name] as Dim));
    return c.cast(c.op('Range', ends, { Tidx: int32 }), 'int32', c.dtype(outputOf(node)));
  },
  Cast: (c, node) => c.cast(c.value(inputOf(node)), c.dtype(inputOf(node)), c.dtype(outputOf(node))),
  Select: (c, node) =>
    c.op(
      'SelectV2',
      ['condition', 't', 'e'].map((name) => c.value(inputOf(node, name))),
      typeOf(c, inputOf(node, 't')),
    ),
  ClipByValue: (c, node) => {
    const limit = (name: string) => c.target.float(node.attrs[name] as number);
    const above = c.binary('Maximum', c.value(inputOf(node)), limit('clipValueMin'), 'float32');
    return c.binary('Minimum', above, limit('clipValueMax'), 'float32');
  },
  Reshape: (c, node) =>
    c.op('Reshape', [c.value(inputOf(node)), c.reshapeTarget(c.shape(outputOf(node)))], {
      ...typeOf(c, inputOf(node)),
      Tshape: int32,
    }),
  Transpose: (c, node) =>
    c.op('Transpose', [c.value(inputOf(node)), c.dims(dimsOf(node.attrs['perm']))], {
      ...typeOf(c, inputOf(node)),
      Tperm: int32,
    }),
  Tile: (c, node) =>
    c.op('Tile', [c.value(inputOf(node)), c.dims(dimsOf(node.attrs['reps']))], {
      ...typeOf(c, inputOf(node)),
      Tmultiples: int32,
    }),
  Concat: (c, node) => {
    const axis = c.target.int(axisOf(node.attrs['axis'], c.shape(outputOf(node)).length));
    const count = { int: inputsOf(node).length };
    return c.op('ConcatV2', [...c.values(node), axis], {
      N: count,
      ...typeOf(c, inputOf(node)),
      Tidx: int32,
    });
  },
  Pack: (c, node) =>
    c.op('Pack', c.values(node), {
      N: { int: inputsOf(node).length },
      ...typeOf(c, inputOf(node)),
      axis: { int: node.attrs['axis'] as number },
    }),
  SplitV: split,
  Slice: slice,
  PadV2: pad,
  Mean: reduction('Mean'),
  Sum: reduction('Sum'),
  Max: reduction('Max'),
  Min: reduction('Min'),
  Prod: reduction('Prod'),
  ArgMax: (c, node) => {
    const x = inputOf(node);
    const [axis = 0] = axesOf(node.attrs['axis'], c.shape(x).length);
    return c.op('ArgMax', [c.value(x), c.target.int(axis)], {
      ...typeOf(c, x),
      Tidx: int32,
      output_type: int32,
    });
  },
  Cumsum: (c, node) => {
    const x = inputOf(node);
    const axis = c.target.int(axisOf(node.attrs['axis'], c.shape(x).length));
    return c.op('Cumsum', [c.value(x), axis], {
      exclusive: { bool: node.attrs['exclusive'] === true },
      reverse: { bool: node.attrs['reverse'] === true },
      ...typeOf(c, x),
      Tidx: int32,
    });
  },
  TopK: (c, node) => {
    const x = inputOf(node);
    const attrs = { sorted: { bool: node.attrs['sorted'] === true }, ...typeOf(c, x) };
    const name = c.op('TopKV2', [c.value(x), c.scalar(node.attrs['k'] as Dim)], attrs);
    return [name, `${name}:1`];
  },
  BatchMatMul: matMul,
  GatherV2: gather,
  Conv2D: convolution,
  ResizeBilinear: resize('ResizeBilinear'),
  ResizeNearestNeighbor: resize('ResizeNearestNeighbor'),
};
