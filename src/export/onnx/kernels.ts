import { ExportError } from '../../core/errors.js';
import { convolutionOf } from '../../graph/trace/convolution.js';
import {
  type Attribute,
  axesOf,
  axisOf,
  dimsOf,
  inputOf,
  type Node,
  outputOf,
} from '../../graph/trace/graph.js';
import { type Dim, isSymbolic, label, plus } from '../../graph/trace/symbols.js';
import { type Converter, typed } from './converter.js';

/** Makes a kernel's operators and names its outputs. */
type Row = (c: Converter, node: Node) => string | readonly string[];

const plain =
  (type: string): Row =>
  (c, node) =>
    c.op(type, c.values(node));

/** Kernels that are one operator with the same inputs and no attributes. */
const PLAIN: Readonly<Record<string, string>> = {
  Add: 'Add',
  Sub: 'Sub',
  Multiply: 'Mul',
  RealDiv: 'Div',
  Pow: 'Pow',
  Maximum: 'Max',
  Minimum: 'Min',
  Neg: 'Neg',
  Abs: 'Abs',
  Exp: 'Exp',
  Log: 'Log',
  Sqrt: 'Sqrt',
  Sin: 'Sin',
  Cos: 'Cos',
  Erf: 'Erf',
  Tanh: 'Tanh',
  Sigmoid: 'Sigmoid',
  Relu: 'Relu',
  Floor: 'Floor',
  Round: 'Round',
  Reciprocal: 'Reciprocal',
  Greater: 'Greater',
  GreaterEqual: 'GreaterOrEqual',
  Less: 'Less',
  LessEqual: 'LessOrEqual',
  Equal: 'Equal',
  LogicalAnd: 'And',
  LogicalOr: 'Or',
  LogicalNot: 'Not',
};

/** Axes are an attribute up to opset 17, except for sums, and an input from then on. */
const reduction =
  (type: string): Row =>
  (c, node) => {
    const x = inputOf(node);
    const axes = axesOf(node.attrs['axis'], c.shape(x).length);
    const attrs = { keepdims: node.attrs['keepDims'] === true ? 1 : 0 };
    const isInput = type === 'ReduceSum' || c.target.opset >= 18;
    return isInput
      ? c.op(type, [c.value(x), c.target.ints(axes)], attrs)
      : c.op(type, [c.value(x)], { ...attrs, axes });
  };

const resize =
  (mode: 'linear' | 'nearest'): Row =>
  (c, node) => {
    const [batch = 0, height = 0, width = 0, channels = 0] = c.shape(outputOf(node));
    const { alignCorners, halfPixelCenters } = node.attrs;
    const coordinates = alignCorners ? 'align_corners' : halfPixelCenters ? 'half_pixel' : 'asymmetric';
    const rounding = alignCorners || halfPixelCenters ? 'round_prefer_ceil' : 'floor';
    const attrs = {
      mode,
      coordinate_transformation_mode: coordinates,
      ...(mode === 'nearest' ? { nearest_mode: rounding } : {}),
    };
    const sizes = c.dims([batch, channels, height, width]);
    return c.channelsFirst(c.value(inputOf(node)), (x) => c.op('Resize', [x, '', '', sizes], attrs));
  };

/** TensorFlow puts the odd pixel of "same" at the end, other frameworks do not: paddings are written out. */
const convolution: Row = (c, node) => {
  const { x, filter, kernel, info } = convolutionOf(c.graph, node);
  const { top, left, bottom, right } = info.padInfo;
  const isFixed = c
    .shape(x)
    .slice(1, 3)
    .every((d) => !isSymbolic(d));
  if (!isFixed && (info.strideHeight > 1 || info.strideWidth > 1))
    throw new ExportError(`a convolution near \`${node.scope}\` has strides and an image of changing size`);
  const attrs = {
    kernel_shape: kernel.slice(0, 2),
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    pads: [top, left, bottom, right],
  };
  return c.channelsFirst(c.value(x), (nchw) => c.op('Conv', [nchw, c.permuted(filter, [3, 2, 0, 1])], attrs));
};

const matMul: Row = (c, node) => {
  const side = (id: number, isTransposed: Attribute): string => {
    if (isTransposed !== true) return c.value(id);
    const axes = c.shape(id).map((_, i) => i);
    return c.permuted(id, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
  };
  const a = side(inputOf(node, 'a'), node.attrs['transposeA']);
  const b = inputOf(node, 'b');
  const flat = node.attrs['transposeB'] === true ? undefined : plainMatrix(c, b);
  return c.op('MatMul', [a, flat ?? side(b, node.attrs['transposeB'])]);
};

/** A constant `[1, K, N]`, as TensorFlow.js's fused product has its matrix, as `[K, N]`. */
function plainMatrix(c: Converter, id: number): string | undefined {
  const constant = c.graph.consts.get(id);
  if (constant === undefined || constant.fill !== undefined || constant.shape.length !== 3) return undefined;
  const [batch, ...matrix] = constant.shape as readonly number[];
  return batch === 1 ? c.target.constant('float32', matrix, constant.data, constant.name) : undefined;
}

const gather: Row = (c, node) => {
  const [x, indices] = [inputOf(node, 'x'), inputOf(node, 'indices')];
  const batchDims = node.attrs['batchDims'] as number;
  const axis = axisOf(node.attrs['axis'], c.shape(x).length);
  if (batchDims === 0) return c.op('Gather', [c.value(x), c.value(indices)], { axis });
  if (axis !== batchDims)
    throw new ExportError(`a gather near \`${node.scope}\` has batch axes beside its axis: no mapping`);
  const at = c.op('Unsqueeze', [c.cast(c.value(indices), 'int64'), c.target.ints([-1])]);
  return c.op('GatherND', [c.value(x), at], { batch_dims: batchDims });
};

const slice: Row = (c, node) => {
  const x = inputOf(node);
  const [from, to] = [c.shape(x), c.shape(outputOf(node))];
  const starts = dimsOf(node.attrs['begin']);
  const axes = [...from.keys()].filter((i) => label(from[i] ?? 0) !== label(to[i] ?? 0));
  if (axes.length === 0) return c.op('Identity', [c.value(x)]);
  const begin = axes.map((i) => starts[i] ?? 0);
  const end = axes.map((i, k) => plus(to[i] ?? 0, begin[k] ?? 0));
  return c.op('Slice', [c.value(x), c.dims(begin), c.dims(end), c.target.ints(axes)]);
};

const gelu: Row = (c, node) => {
  const x = c.value(inputOf(node));
  if (c.target.opset >= 20) return c.op('Gelu', [x], { approximate: 'none' });
  // in the order that ONNX Runtime's own fusion looks for
  const gate = c.op('Add', [c.op('Erf', [c.op('Div', [x, c.target.float(Math.SQRT2)])]), c.target.float(1)]);
  return c.op('Mul', [c.op('Mul', [x, gate]), c.target.float(0.5)]);
};

const layerNorm: Row = (c, node) => {
  const flat = (name: string): string => {
    const constant = c.graph.consts.get(inputOf(node, name));
    if (constant === undefined)
      throw new ExportError(`the norm near \`${node.scope}\` has no constant ${name}`);
    return c.target.constant('float32', [constant.data.length], constant.data, constant.name);
  };
  const inputs = [c.value(inputOf(node, 'x')), flat('gamma'), flat('beta')];
  return c.op('LayerNormalization', inputs, { axis: -1, epsilon: node.attrs['epsilon'] as number });
};

/** Kernel of TensorFlow.js -> ONNX operators. What has no row cannot be exported. */
export const kernels: Readonly<Record<string, Row>> = {
  ...Object.fromEntries(Object.entries(PLAIN).map(([kernel, type]) => [kernel, plain(type)])),
  NotEqual: (c, node) => c.op('Not', [c.op('Equal', c.values(node))]),
  Rsqrt: (c, node) => c.op('Reciprocal', [c.op('Sqrt', c.values(node))]),
  Square: (c, node) => {
    const x = c.value(inputOf(node));
    return c.op('Mul', [x, x]);
  },
  SquaredDifference: (c, node) => {
    const d = c.op('Sub', c.values(node));
    return c.op('Mul', [d, d]);
  },
  // ONNX divides integers towards zero, TensorFlow downwards; in single precision it is exact up to 2^24.
  FloorDiv: (c, node) => {
    const quotient = c.op(
      'Div',
      c.values(node).map((x) => c.cast(x, 'float32')),
    );
    return c.cast(c.op('Floor', [quotient]), c.dtype(outputOf(node)));
  },
  // Whole numbers only: ONNX's remainder of fractions has the other sign.
  Mod: (c, node) => {
    if (c.dtype(outputOf(node)) === 'float32')
      throw new ExportError(`a remainder of fractions near \`${node.scope}\` has no mapping`);
    return c.op('Mod', c.values(node), { fmod: 0 });
  },
  ZerosLike: (c, node) => {
    const dtype = c.dtype(outputOf(node));
    return c.op('Expand', [c.target.constant(dtype, [], typed(dtype, [0])), c.op('Shape', c.values(node))]);
  },
  Fill: (c, node) => {
    const dtype = c.dtype(outputOf(node));
    const value = c.target.constant(dtype, [], typed(dtype, [Number(node.attrs['value'])]));
    return c.op('Expand', [value, c.dims(c.shape(outputOf(node)))]);
  },
  Range: (c, node) => {
    const ends = ['start', 'stop', 'step'].map((name) =>
      c.op('Squeeze', [c.scalar(node.attrs[name] as Dim)]),
    );
    return c.cast(c.op('Range', ends), c.dtype(outputOf(node)));
  },
  Cast: (c, node) => c.cast(c.value(inputOf(node)), c.dtype(outputOf(node))),
  Select: (c, node) =>
    c.op(
      'Where',
      ['condition', 't', 'e'].map((name) => c.value(inputOf(node, name))),
    ),
  ClipByValue: (c, node) => {
    const limit = (name: string) => c.target.float(node.attrs[name] as number);
    return c.op('Clip', [c.value(inputOf(node)), limit('clipValueMin'), limit('clipValueMax')]);
  },
  Reshape: (c, node) => c.op('Reshape', [c.value(inputOf(node)), c.reshapeTarget(c.shape(outputOf(node)))]),
  Transpose: (c, node) => c.transposed(c.value(inputOf(node)), dimsOf(node.attrs['perm']) as number[]),
  Tile: (c, node) => c.op('Tile', [c.value(inputOf(node)), c.dims(dimsOf(node.attrs['reps']))]),
  Concat: (c, node) =>
    c.op('Concat', c.values(node), { axis: axisOf(node.attrs['axis'], c.shape(outputOf(node)).length) }),
  Pack: (c, node) => {
    const axis = axisOf(node.attrs['axis'], c.shape(outputOf(node)).length);
    const parts = c.values(node).map((x) => c.op('Unsqueeze', [x, c.target.ints([axis])]));
    return c.op('Concat', parts, { axis });
  },
  SplitV: (c, node) => {
    const axis = axisOf(node.attrs['axis'], c.shape(inputOf(node)).length);
    const sizes = c.dims(node.outputs.map((id) => c.shape(id)[axis] ?? 0));
    return c.ops('Split', [c.value(inputOf(node)), sizes], { axis }, node.outputs.length);
  },
  Slice: slice,
  PadV2: (c, node) => {
    const paddings = (node.attrs['paddings'] as readonly Attribute[]).map(dimsOf);
    const pads = c.dims([0, 1].flatMap((end) => paddings.map((p) => p[end] ?? 0)));
    const dtype = c.dtype(inputOf(node));
    const value = c.target.constant(dtype, [], typed(dtype, [node.attrs['constantValue'] as number]));
    return c.op('Pad', [c.value(inputOf(node)), pads, value]);
  },
  Mean: reduction('ReduceMean'),
  Sum: reduction('ReduceSum'),
  Max: reduction('ReduceMax'),
  Min: reduction('ReduceMin'),
  Prod: reduction('ReduceProd'),
  ArgMax: (c, node) => {
    const [axis = 0] = axesOf(node.attrs['axis'], c.shape(inputOf(node)).length);
    return c.cast(c.op('ArgMax', c.values(node), { axis, keepdims: 0 }), 'int32');
  },
  TopK: (c, node) => {
    const attrs = { axis: -1, largest: 1, sorted: node.attrs['sorted'] === true ? 1 : 0 };
    const k = c.scalar(node.attrs['k'] as Dim);
    const [values = '', indices = ''] = c.ops('TopK', [c.value(inputOf(node)), k], attrs, 2);
    return [values, c.cast(indices, 'int32')];
  },
  Cumsum: (c, node) => {
    const axis = axisOf(node.attrs['axis'], c.shape(inputOf(node)).length);
    const at = c.target.constant('int64', [], BigInt64Array.of(BigInt(axis)));
    const { exclusive, reverse } = node.attrs;
    return c.op('CumSum', [c.value(inputOf(node)), at], {
      exclusive: exclusive === true ? 1 : 0,
      reverse: reverse === true ? 1 : 0,
    });
  },
  Softmax: (c, node) => c.op('Softmax', c.values(node), { axis: -1 }),
  BatchMatMul: matMul,
  GatherV2: gather,
  Conv2D: convolution,
  ResizeBilinear: resize('linear'),
  ResizeNearestNeighbor: resize('nearest'),
  LayerNorm: layerNorm,
  Gelu: gelu,
};
