import { ExportError } from '../../core/errors.js';
import type { Graph } from '../../graph/trace/graph.js';
import { Converter } from './converter.js';
import { kernels } from './kernels.js';
import type { OnnxGraph } from './onnxGraph.js';
import { cancelTransposes } from './transposes.js';

/** The least opset with LayerNormalization, and the most widely read. */
export const usualOpset = 17;

/**
 * A traced graph, fused or not, as ONNX operators.
 *
 * @throws ExportError naming the layer of a kernel that has no mapping
 */
export function toOnnx(graph: Graph, opset = usualOpset): OnnxGraph {
  const converter = new Converter(graph, opset);
  for (const node of graph.nodes) {
    const row = kernels[node.kernel];
    if (row === undefined)
      throw new ExportError(`ONNX has no mapping for the kernel \`${node.kernel}\` near \`${node.scope}\``, {
        where: node.scope,
        fix: 'add a row to src/export/onnx/kernels.ts',
      });
    converter.convert(node, row);
  }
  converter.finish();
  converter.target.tidy();
  cancelTransposes(converter.target);
  return converter.target;
}
