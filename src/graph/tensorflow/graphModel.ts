import { join } from 'node:path';
import { makeFolder, writeFileAtomic } from '../../core/files.js';
import { type Dim, isSymbolic } from '../trace/symbols.js';
import type { GraphDef, NodeAttribute, Port, Signature, TensorFlowType } from './graphDef.js';
import { tensorName } from './messages.js';

/** What browsers cache well. */
const SHARD_BYTES = 4 * 2 ** 20;
const TYPE_NAME: Readonly<Record<TensorFlowType, string>> = {
  float32: 'DT_FLOAT',
  int32: 'DT_INT32',
  uint8: 'DT_UINT8',
  string: 'DT_STRING',
  int64: 'DT_INT64',
  bool: 'DT_BOOL',
};

/**
 * Writes a graph model of TensorFlow.js: `model.json` and shards of weights, for `tf.loadGraphModel`.
 *
 * @returns the size of all files in bytes
 */
export async function writeGraphModel(
  graph: GraphDef,
  signature: Signature,
  folder: string,
): Promise<number> {
  const weights: { name: string; shape: readonly number[]; dtype: string }[] = [];
  const pieces: Uint8Array[] = [];
  for (const { name, op, attrs } of graph.nodes) {
    const value = attrs['value'];
    if (op !== 'Const' || value === undefined || !('tensor' in value)) continue;
    const { dtype, shape, data } = value.tensor;
    weights.push({ name, shape, dtype });
    pieces.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const count = Math.max(1, Math.ceil(bytes / SHARD_BYTES));
  const paths = Array.from({ length: count }, (_, i) => `group1-shard${i + 1}of${count}.bin`);
  await makeFolder(folder);
  const rest = shards(pieces);
  for (const path of paths) await writeFileAtomic(join(folder, path), rest.next().value ?? new Uint8Array(0));
  const node = graph.nodes.map(({ name, op, inputs, attrs }) => ({
    name,
    op,
    input: inputs,
    attr: Object.fromEntries(Object.entries(attrs).map(([key, value]) => [key, attribute(value)])),
  }));
  const ports = (map: Signature['inputs']) =>
    Object.fromEntries(Object.entries(map).map(([name, port]) => [name, portOf(port)]));
  const model = JSON.stringify({
    format: 'graph-model',
    generatedBy: 'cellsam',
    convertedBy: null,
    signature: { inputs: ports(signature.inputs), outputs: ports(signature.outputs) },
    modelTopology: { node, library: {}, versions: { producer: 1087 } },
    weightsManifest: [{ paths, weights }],
  });
  await writeFileAtomic(join(folder, 'model.json'), model);
  return bytes + model.length;
}

/** Pieces one after another, cut at the size of a shard; little more than one shard is copied at a time. */
function* shards(pieces: readonly Uint8Array[]): Generator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  for (const piece of pieces)
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + SHARD_BYTES - length);
      waiting.push(part);
      length += part.length;
      at += part.length;
      if (length < SHARD_BYTES) continue;
      yield Buffer.concat(waiting);
      [waiting, length] = [[], 0];
    }
  if (length > 0) yield Buffer.concat(waiting);
}

const shapeOf = (shape: readonly Dim[]) => ({
  dim: shape.map((dim) => ({ size: String(isSymbolic(dim) ? -1 : dim) })),
});

const portOf = ({ tensor, dtype, shape }: Port) => ({
  name: tensorName(tensor),
  dtype: TYPE_NAME[dtype],
  tensorShape: shapeOf(shape),
});

/** Protobuf's JSON form; the contents of constants are in the shards. */
function attribute(value: NodeAttribute): unknown {
  if ('type' in value) return { type: TYPE_NAME[value.type] };
  if ('int' in value) return { i: String(value.int) };
  if ('bool' in value) return { b: value.bool };
  if ('text' in value) return { s: Buffer.from(value.text).toString('base64') };
  if ('shape' in value) return { shape: shapeOf(value.shape) };
  if ('ints' in value) return { list: { i: value.ints.map(String) } };
  if ('tensor' in value)
    return { tensor: { dtype: TYPE_NAME[value.tensor.dtype], tensorShape: shapeOf(value.tensor.shape) } };
  throw new Error('a graph model has no lists of types or texts');
}
