import { readFile, stat } from 'node:fs/promises';
import { DataError, reason } from '../core/errors.js';

/** Annotations are a few levels deep; a file that goes deeper was made to exhaust the stack of whoever walks it. */
const MAX_DEPTH = 64;
/** A text in Node holds a little more than this. */
const MAX_BYTES = 500 << 20;

/** Reads a JSON file. @throws DataError naming it when it is too large, too deep, or no JSON */
export async function readJson(path: string): Promise<unknown> {
  const fail = (what: string, cause?: unknown): DataError =>
    new DataError(`${path} ${what}`, { where: path, fix: 'export the annotations again', cause });
  const found = await stat(path).catch((thrown) => {
    throw fail(`cannot be read: ${reason(thrown)}`, thrown);
  });
  if (found.size > MAX_BYTES) throw fail(`has ${found.size} bytes; up to ${MAX_BYTES} are read at once`);
  const bytes = await readFile(path);
  if (depthOf(bytes) > MAX_DEPTH) throw fail(`is nested more than ${MAX_DEPTH} levels deep`);
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch (thrown) {
    throw fail(`is no JSON: ${reason(thrown)}`, thrown);
  }
}

const [QUOTE, ESCAPE] = [0x22, 0x5c];

function depthOf(bytes: Uint8Array): number {
  let [depth, deepest, isText] = [0, 0, false];
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (isText) {
      if (byte === ESCAPE) i++;
      else if (byte === QUOTE) isText = false;
    } else if (byte === QUOTE) isText = true;
    else if (byte === 0x5b || byte === 0x7b) deepest = Math.max(deepest, ++depth);
    else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return deepest;
}
