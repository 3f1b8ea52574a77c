import { ExportError } from '../../core/errors.js';
import type { Graph } from '../trace/graph.js';
import type { Program } from '../trace/trace.js';
import { Converter } from './converter.js';
import type { GraphDef, Signature } from './graphDef.js';
import { kernels } from './kernels.js';

/**
 * Adds a program's operations to TensorFlow's graph; the graph is one before chains are fused, since TensorFlow has no
 * operation for them.
 *
 * @param prefix of the names of its nodes
 * @throws ExportError naming the layer of a kernel that has no mapping
 */
export function addProgram(
  { program, graph }: { readonly program: Program; readonly graph: Graph },
  target: GraphDef,
  prefix: string,
): Signature {
  const converter = new Converter(graph, target, prefix, program.byteInputs ?? []);
  for (const node of graph.nodes) {
    const row = kernels[node.kernel];
    if (row === undefined)
      throw new ExportError(
        `TensorFlow has no mapping for the kernel \`${node.kernel}\` near \`${node.scope}\``,
        { where: node.scope, fix: 'add a row to src/graph/tensorflow/kernels.ts' },
      );
    converter.convert(node, row);
  }
  return converter.finish();
}
