import { tf } from '../../tf/index.js';
import { type Graph, inputOf, type Node, valueAt } from './graph.js';

type Shape4 = [number, number, number, number];
/** TensorFlow.js's own types of these attributes are not exported; the recorded values are what it was given. */
type Settings = Record<'strides' | 'pad' | 'dilations' | 'dimRoundingMode', never>;

/** A recorded convolution: its inputs, the filter's shape, and strides, dilations and paddings written out. */
export function convolutionOf(graph: Graph, node: Node) {
  const [x, filter] = [inputOf(node, 'x'), inputOf(node, 'filter')];
  const exampleOf = (id: number) => valueAt(graph, id).example as Shape4;
  const { strides, pad, dilations, dimRoundingMode } = node.attrs as unknown as Settings;
  const kernel = exampleOf(filter);
  const info = tf.backend_util.computeConv2DInfo(
    exampleOf(x),
    kernel,
    strides,
    dilations,
    pad,
    dimRoundingMode,
  );
  return { x, filter, kernel, info };
}
