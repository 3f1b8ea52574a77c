// Gives @tensorflow/tfjs-node a TensorFlow library. In order: the library inside TensorFlow's Python wheel, with
// tfjs-node's own unmodified binding compiled against it; tfjs-node's own download; no library (WASM backend).
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildBinding } from './binding.mjs';
import { cachedLibrary } from './library.mjs';
import { ROOT, run, say, Trouble, tail } from './say.mjs';

const PACKAGE = join(ROOT, 'node_modules', '@tensorflow', 'tfjs-node');
const BINDING = join(PACKAGE, 'lib', 'napi-v8', 'tfjs_binding.node');
/** Where the library came from; `cellsam doctor` and src/tf/backend.ts read it. */
const RECORD = join(PACKAGE, 'cellsam-library.json');

/**
 * @param {{gpu?: boolean, backend?: 'kept' | 'native' | 'wasm'}} options `kept`: what is there stays, a choice of
 *   WebAssembly included (npm start, npm test); `native`: TensorFlow itself is tried again
 */
export async function prepareTensorFlow({ gpu = false, backend = 'kept' } = {}) {
  const record = readRecord();
  if (backend === 'wasm') return useWasm('as asked for with --wasm');
  if (backend === 'kept' && record?.source === 'wasm') return;
  if (isComplete(record, gpu)) return;
  try {
    const library = await cachedLibrary({ gpu });
    await buildBinding({ library, packageFolder: PACKAGE, target: BINDING });
    await proveThatItLoads();
    writeRecord({
      source: 'wheel',
      gpu,
      library: library.folder,
      version: library.version,
      wheel: library.wheel,
    });
    say(`TensorFlow ${library.version} is ready (library in ${library.folder}).`);
  } catch (thrown) {
    if (!(thrown instanceof Trouble)) throw thrown;
    say(`The usual way to TensorFlow failed: ${thrown.message}\n  (to mend it: ${thrown.fix})`);
    await fallBack(thrown);
  }
}

function isComplete(record, gpu) {
  if (record === undefined || !existsSync(BINDING)) return false;
  if (record.source === 'official') return !gpu;
  return record.source === 'wheel' && (record.gpu === gpu || !gpu) && existsSync(record.library);
}

async function fallBack(first) {
  say("Trying tfjs-node's own download (TensorFlow 2.9, at most five minutes) ...");
  const { code, output } = await run(process.execPath, ['scripts/install.js'], {
    title: "tfjs-node's installer",
    cwd: PACKAGE,
    timeoutMs: 300_000,
  });
  if (code === 0 && existsSync(BINDING)) {
    await proveThatItLoads();
    writeRecord({ source: 'official', gpu: false });
    return;
  }
  say(`That failed too:\n${tail(output, 3)}`);
  useWasm(first.message.split('\n')[0].replace(/:$/, ''));
}

function useWasm(why) {
  writeRecord({ source: 'wasm', why });
  say(
    `Going on with the WebAssembly backend (${why}).\n` +
      '  It segments, some five times slower than one core of TensorFlow, and cannot train: gradients of convolutions\n' +
      '  and of gather do not exist there. `node bin/cellsam.mjs doctor` says how to get TensorFlow.',
  );
}

async function proveThatItLoads() {
  const program = `
    const util = require('node:util');
    util.isNullOrUndefined = (v) => v === null || v === undefined; util.isArray = Array.isArray;
    const tf = require('@tensorflow/tfjs-node');
    if (tf.tensor([1, 2]).sum().dataSync()[0] !== 3) process.exit(3);`;
  const { code, output } = await run(process.execPath, ['-e', program], {
    env: { TF_CPP_MIN_LOG_LEVEL: '1' },
  });
  if (code === 0) return;
  throw new Trouble(
    `the freshly built TensorFlow binding does not run:\n${tail(output)}`,
    'delete the cache folder named above and run the same command again; if it stays so, report it with this text.',
  );
}

function readRecord() {
  return existsSync(RECORD) ? JSON.parse(readFileSync(RECORD, 'utf8')) : undefined;
}

function writeRecord(record) {
  mkdirSync(PACKAGE, { recursive: true });
  writeFileSync(RECORD, `${JSON.stringify(record, null, 2)}\n`);
}
