import fs from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import process from 'node:process';
import util from 'node:util';
import { isMainThread } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import { libraryRecord, rememberNode } from './backend.js';

const require = createRequire(import.meta.url);
const TFJS_NODE = process.env['CELLSAM_TFJS_PACKAGE'] ?? '@tensorflow/tfjs-node';

restoreRemovedNodeFunctions();
if (libraryRecord()?.source === 'wasm') await loadWasm();
else loadNative();

function loadNative(): void {
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '1';
  rememberNode(quietly(() => require(TFJS_NODE)));
}

async function loadWasm(): Promise<void> {
  const wasm = require('@tensorflow/tfjs-backend-wasm') as { setWasmPaths(folder: string): void };
  wasm.setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`);
  await tf.setBackend('wasm');
}

/** tfjs-node 4.22 calls three functions that Node 23 removed. Assigning them also silences Node 22's deprecation note. */
function restoreRemovedNodeFunctions(): void {
  Object.assign(util, {
    isNullOrUndefined: (value: unknown) => value === null || value === undefined,
    isArray: Array.isArray,
  });
}

/**
 * TensorFlow prints two lines about itself on file descriptor 2 that no setting removes; it points elsewhere while the
 * library loads. Main thread only: in a worker Node aborts when the descriptor is closed.
 */
function quietly<T>(load: () => T): T {
  if (!isMainThread || process.platform === 'win32' || process.env['CELLSAM_TF_LOG']) return load();
  // A file opened anew has a position of its own: what a script's next command writes there would lie over our lines.
  if (fs.fstatSync(2).isFile()) return load();
  const folder = process.platform === 'linux' ? '/proc/self/fd/' : '/dev/fd/';
  let kept: number;
  try {
    kept = fs.openSync(`${folder}2`, 'a');
  } catch {
    return load();
  }
  fs.closeSync(2);
  fs.openSync('/dev/null', 'w'); // takes the lowest free number: 2
  try {
    return load();
  } finally {
    fs.closeSync(2);
    fs.openSync(`${folder}${kept}`, 'a');
    fs.closeSync(kept);
  }
}
