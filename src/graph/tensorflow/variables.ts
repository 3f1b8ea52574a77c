import type { ConstantTensor, GraphDef, GraphDefNode } from './graphDef.js';
import type { Saver } from './messages.js';

/** Smaller constants, and all whole numbers, stay in the graph. */
const LEAST_BYTES = 1024;

export interface WithVariables {
  readonly nodes: readonly GraphDefNode[];
  /** What the checkpoint must hold. */
  readonly variables: ReadonlyMap<string, ConstantTensor>;
  readonly saver: Saver;
}

/** What the graph's constants take. */
export function constantBytes({ nodes }: GraphDef): number {
  return nodes.reduce((sum, node) => sum + (tensorOf(node)?.data.byteLength ?? 0), 0);
}

/**
 * The same graph with its weights as variables, which TensorFlow restores from a checkpoint when it loads the model: a
 * graph with its constants inside cannot pass 2 GB. Reads of variables have the names that the constants had.
 */
export function withVariables(graph: GraphDef): WithVariables {
  const variables = new Map<string, ConstantTensor>();
  const nodes = graph.nodes.flatMap((node): GraphDefNode[] => {
    const tensor = tensorOf(node);
    if (tensor === undefined || tensor.dtype !== 'float32' || tensor.data.byteLength < LEAST_BYTES)
      return [node];
    variables.set(node.name, tensor);
    const { dtype, shape } = tensor;
    const handle = `${node.name}/variable`;
    const attrs = { dtype: { type: dtype }, shape: { shape } };
    const names = { shared_name: { text: node.name }, container: { text: '' } };
    return [
      { name: handle, op: 'VarHandleOp', inputs: [], attrs: { ...attrs, ...names } },
      { name: node.name, op: 'ReadVariableOp', inputs: [handle], attrs: { dtype: { type: dtype } } },
    ];
  });
  return { nodes: [...nodes, ...saving([...variables.keys()])], variables, saver: SAVER };
}

function tensorOf({ op, attrs }: GraphDefNode): ConstantTensor | undefined {
  const value = attrs['value'];
  return op === 'Const' && value !== undefined && 'tensor' in value ? value.tensor : undefined;
}

const SAVER: Saver = { filename: 'save/path:0', save: 'save/saved:0', restore: 'save/restore_all' };

/** The operations that TensorFlow calls to restore variables, and, which Python's loader demands, to save them. */
function saving(names: readonly string[]): GraphDefNode[] {
  const text = { type: 'string' } as const;
  const node = (name: string, op: string, inputs: readonly string[], attrs: GraphDefNode['attrs'] = {}) => ({
    ...{ name: `save/${name}`, op, inputs, attrs },
  });
  const texts = (name: string, strings: readonly string[], dims: readonly number[]) =>
    node(name, 'Const', [], { dtype: text, value: { strings, dims } });
  const types = { dtypes: { types: names.map(() => 'float32' as const) } };
  const which = ['save/path', 'save/names', 'save/slices'];
  return [
    texts('default_path', ['model'], []),
    node('path', 'PlaceholderWithDefault', ['save/default_path'], { dtype: text, shape: { shape: [] } }),
    texts('names', names, [names.length]),
    texts(
      'slices',
      names.map(() => ''),
      [names.length],
    ),
    node('SaveV2', 'SaveV2', [...which, ...names], types),
    node('saved', 'Identity', ['save/path', '^save/SaveV2'], { T: text }),
    node('RestoreV2', 'RestoreV2', which, types),
    ...names.map((name, i) =>
      node(
        `assign_${i}`,
        'AssignVariableOp',
        [`${name}/variable`, `save/RestoreV2${i === 0 ? '' : `:${i}`}`],
        {
          dtype: { type: 'float32' },
        },
      ),
    ),
    node(
      'restore_all',
      'NoOp',
      names.map((_, i) => `^save/assign_${i}`),
    ),
  ];
}
