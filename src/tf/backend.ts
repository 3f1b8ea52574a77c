import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type * as TfNode from '@tensorflow/tfjs-node';
import { SetupError } from '../core/errors.js';

/** What scripts/setup wrote about the library it brought. */
export interface LibraryRecord {
  readonly source: 'wheel' | 'official' | 'wasm';
  readonly gpu?: boolean;
  readonly library?: string;
  readonly version?: string;
  readonly wheel?: string;
  readonly why?: string;
}

export interface BackendInfo {
  readonly name: string;
  /** TensorFlow's own version, e.g. `2.21.0`; absent on WebAssembly. */
  readonly tensorflow?: string;
  readonly tfjs: string;
  readonly gpu: boolean;
  readonly library: LibraryRecord | undefined;
}

type TfNodeModule = typeof TfNode;

// The one global of this project is TensorFlow's backend; these lines and `portableCalls` are its memory.
let tfNode: TfNodeModule | undefined;
export const rememberNode = (module: TfNodeModule): void => {
  tfNode = module;
};

let portableCalls = 0;

/** Runs `f`, which must not be asynchronous, in the form that traces can hold: no kernels by name, no loops over chunks. */
export function portable<T>(f: () => T): T {
  portableCalls++;
  try {
    return f();
  } finally {
    portableCalls--;
  }
}

/** True inside `portable`. */
export const isPortable = (): boolean => portableCalls > 0;

/** True on real TensorFlow, where kernels can be called by name; not inside `portable`. */
export function isNative(): boolean {
  return !isPortable() && tfNode !== undefined && tf.getBackend() === 'tensorflow';
}

/**
 * tfjs-node's own functions: SavedModels, TensorBoard, image codecs.
 *
 * @throws SetupError on the WebAssembly backend
 */
export function node(): TfNodeModule['node'] {
  if (tfNode === undefined) {
    throw new SetupError('this needs TensorFlow itself, and only the WebAssembly backend is installed', {
      fix: 'run `npm run setup` again, or `node bin/cellsam.mjs doctor` to see what is missing',
    });
  }
  return tfNode.node;
}

/**
 * For jobs that need gradients, before they begin.
 *
 * @throws SetupError on the WebAssembly backend, which has no gradients of convolutions and gather
 */
export function requireTraining(): void {
  if (isNative()) return;
  throw new SetupError(
    'training needs TensorFlow itself; the WebAssembly backend has no gradients of convolutions',
    {
      fix: 'run `npm run setup`, or `node bin/cellsam.mjs doctor` to see what is missing',
    },
  );
}

/** Whether TensorFlow computes on a GPU. */
export const isOnGpu = (): boolean =>
  (tf.backend() as unknown as { isUsingGpuDevice?: boolean }).isUsingGpuDevice === true;

/** What computes, and where it came from. */
export function backendInfo(): BackendInfo {
  const binding = (tf.backend() as unknown as { binding?: { TF_Version?: string } }).binding;
  return {
    name: tf.getBackend(),
    ...(binding?.TF_Version === undefined ? {} : { tensorflow: binding.TF_Version }),
    tfjs: tf.version_core,
    gpu: isOnGpu(),
    library: libraryRecord(),
  };
}

/** The record of set-up, or undefined when set-up did not run here (an installed package with its own library). */
export function libraryRecord(): LibraryRecord | undefined {
  try {
    const folder = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-node/package.json'));
    return JSON.parse(readFileSync(join(folder, 'cellsam-library.json'), 'utf8')) as LibraryRecord;
  } catch {
    return undefined;
  }
}
