import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { ExportError } from '../../core/errors.js';
import { makeFolder, writeAtomic } from '../../core/files.js';
import { Message } from '../protobuf.js';
import { writeCheckpoint } from './checkpoint.js';
import type { GraphDef, GraphDefNode, Signature } from './graphDef.js';
import { entry, nodeMessage, type Saver, signatureMessage } from './messages.js';
import { constantBytes, withVariables } from './variables.js';

/** Protobuf ends here. */
const LARGEST = 2 ** 31 - 1;
/** The version of TensorFlow's graphs whose operations are used; 12 is the least that reads them. */
const VERSIONS = { producer: 1087, minConsumer: 12 };

/**
 * Writes `saved_model.pb` with one signature a program, for tag `serve`. Weights are constants within it, or, when they
 * take more than `constantsUpTo` bytes, variables in a checkpoint beside it.
 *
 * @returns the size of all files in bytes
 */
export async function writeSavedModel(
  graph: GraphDef,
  signatures: Readonly<Record<string, Signature>>,
  folder: string,
  constantsUpTo: number,
): Promise<number> {
  if (constantBytes(graph) <= constantsUpTo) return writeModel(graph.nodes, signatures, folder);
  const { nodes, variables, saver } = withVariables(graph);
  const bytes = await writeCheckpoint(join(folder, 'variables', 'variables'), variables);
  return bytes + (await writeModel(nodes, signatures, folder, saver));
}

async function writeModel(
  nodes: readonly GraphDefNode[],
  signatures: Readonly<Record<string, Signature>>,
  folder: string,
  saver?: Saver,
): Promise<number> {
  const body = new Message();
  for (const node of nodes) body.message(1, nodeMessage(node));
  body.message(4, new Message().int(1, VERSIONS.producer).int(2, VERSIONS.minConsumer));
  const meta = new Message().message(1, new Message().string(4, 'serve')).message(2, body);
  if (saver !== undefined) {
    const { filename, save, restore } = saver;
    meta.message(3, new Message().string(1, filename).string(2, save).string(3, restore).int(7, 2));
  }
  for (const [name, signature] of Object.entries(signatures))
    meta.message(5, entry(name, signatureMessage(signature)));
  const model = new Message().int(1, 1).message(2, meta);
  if (model.length > LARGEST) throw new ExportError('saved_model.pb would pass 2 GB');
  await makeFolder(folder);
  await writeAtomic(join(folder, 'saved_model.pb'), async (temporary) => {
    const file = await open(temporary, 'wx');
    try {
      for (const block of model.blocks()) await file.writeFile(block);
      await file.sync();
    } finally {
      await file.close();
    }
  });
  return model.length;
}
