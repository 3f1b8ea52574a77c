import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { writeAtomic } from '../../core/files.js';
import { LARGEST_WEIGHTS, Message } from '../../graph/protobuf.js';
import { isSymbolic, label } from '../../graph/trace/symbols.js';
import type { Initialiser, OnnxAttribute, OnnxGraph, OnnxNode, OnnxPort } from './onnxGraph.js';
import { TYPE_NUMBER } from './onnxGraph.js';

/** Smaller constants stay in the file. */
const EXTERNAL_FROM = 1024;
/** So that the data can be mapped into memory. */
const PAGE = 4096;
const FLOATS = new Set(['epsilon', 'alpha']);

export interface OnnxFile {
  readonly path: string;
  readonly bytes: number;
  /** Weights beside the file, where there are any. */
  readonly external?: string;
}

/**
 * Writes the graph as `path`; weights of more than `weightsUpTo` bytes in all go to `path.data`.
 *
 * @param metadata key and value texts kept in the file
 */
export async function writeOnnx(
  graph: OnnxGraph,
  path: string,
  metadata: Readonly<Record<string, string>> = {},
  weightsUpTo = LARGEST_WEIGHTS,
): Promise<OnnxFile> {
  const external = byteSize(graph) > weightsUpTo ? `${path}.data` : undefined;
  const { model, outside } = build(graph, metadata, external);
  if (external !== undefined) await writePieces(external, outside);
  await writePieces(path, [{ at: 0, pieces: [...model.blocks()] }]);
  const bytes = model.length + outside.reduce((sum, { pieces }) => sum + (pieces[0]?.length ?? 0), 0);
  return { path, bytes, ...(external === undefined ? {} : { external }) };
}

const byteSize = (graph: OnnxGraph): number =>
  [...graph.initialisers.values()].reduce((sum, { data }) => sum + data.byteLength, 0);

interface Placed {
  readonly at: number;
  readonly pieces: readonly Uint8Array[];
}

async function writePieces(path: string, parts: readonly Placed[]): Promise<void> {
  await writeAtomic(path, async (temporary) => {
    const file = await open(temporary, 'wx');
    try {
      for (const { at, pieces } of parts) {
        let position = at;
        for (const piece of pieces) {
          await file.write(piece, 0, piece.length, position);
          position += piece.length;
        }
      }
      await file.sync();
    } finally {
      await file.close();
    }
  });
}

/** ModelProto; field numbers of onnx.proto3. */
function build(graph: OnnxGraph, metadata: Readonly<Record<string, string>>, external: string | undefined) {
  const body = new Message();
  for (const node of graph.nodes) body.message(1, nodeMessage(node));
  body.string(2, 'cellsam');
  const outside: Placed[] = [];
  let offset = 0;
  for (const [name, constant] of graph.initialisers) {
    const raw = new Uint8Array(constant.data.buffer, constant.data.byteOffset, constant.data.byteLength);
    const isOutside = external !== undefined && raw.length >= EXTERNAL_FROM;
    if (isOutside) {
      offset = Math.ceil(offset / PAGE) * PAGE;
      outside.push({ at: offset, pieces: [raw] });
    }
    const place = isOutside ? { location: basename(external), offset, length: raw.length } : undefined;
    body.message(5, tensorMessage(name, constant, raw, place));
    if (isOutside) offset += raw.length;
  }
  for (const port of graph.inputs) body.message(11, portMessage(port));
  for (const port of graph.outputs) body.message(12, portMessage(port));
  const model = new Message()
    .int(1, graph.opset >= 21 ? 10 : 8)
    .string(2, 'cellsam')
    .message(7, body)
    .message(8, new Message().string(1, '').int(2, graph.opset));
  for (const [key, value] of Object.entries(metadata)) model.message(14, pair(key, value));
  return { model, outside };
}

const pair = (key: string, value: string | number): Message =>
  new Message().string(1, key).string(2, String(value));

function nodeMessage(node: OnnxNode): Message {
  const message = new Message();
  for (const input of node.inputs) message.string(1, input);
  for (const output of node.outputs) message.string(2, output);
  message.string(3, node.name).string(4, node.type);
  for (const [name, value] of Object.entries(node.attrs)) message.message(5, attributeMessage(name, value));
  return message;
}

function attributeMessage(name: string, value: OnnxAttribute): Message {
  const message = new Message().string(1, name);
  if (typeof value === 'string') return message.bytes(4, new TextEncoder().encode(value)).int(20, 3);
  if (typeof value !== 'number') return message.ints(8, value).int(20, 7);
  return FLOATS.has(name) ? message.float(2, value).int(20, 1) : message.int(3, value).int(20, 2);
}

function tensorMessage(
  name: string,
  { dims, dtype }: Initialiser,
  raw: Uint8Array,
  place: Readonly<Record<string, string | number>> | undefined,
): Message {
  const message = new Message().ints(1, dims).int(2, TYPE_NUMBER[dtype]).string(8, name);
  if (place === undefined) return message.bytes(9, raw);
  for (const [key, value] of Object.entries(place)) message.message(13, pair(key, value));
  return message.int(14, 1);
}

function portMessage({ name, dtype, shape }: OnnxPort): Message {
  const dims = new Message();
  for (const dim of shape)
    dims.message(1, isSymbolic(dim) ? new Message().string(2, label(dim)) : new Message().int(1, dim));
  const tensor = new Message().int(1, TYPE_NUMBER[dtype]).message(2, dims);
  return new Message().string(1, name).message(2, new Message().message(1, tensor));
}
