import { availableParallelism } from 'node:os';
import type { NamedArray } from '../../core/arrays.js';
import { reason, SetupError } from '../../core/errors.js';

/** Element types that our graphs have. */
export type SessionArray = NamedArray & { readonly dtype: 'float32' | 'int32' | 'uint8' | 'bool' };
export type SessionArrays = Readonly<Record<string, SessionArray>>;

interface RuntimeTensor {
  readonly dims: readonly number[];
  readonly type: SessionArray['dtype'];
  readonly data: SessionArray['data'];
}

interface RuntimeSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Record<string, RuntimeTensor>): Promise<Record<string, RuntimeTensor>>;
  release(): Promise<void>;
}

/** The part of onnxruntime-node that is used; the package is optional, so its types may be absent. */
interface OnnxRuntime {
  readonly InferenceSession: {
    create(path: string, options: Readonly<Record<string, unknown>>): Promise<RuntimeSession>;
  };
  readonly Tensor: new (type: string, data: SessionArray['data'], dims: readonly number[]) => RuntimeTensor;
}

// Not a literal, so that the program compiles without the package.
const PACKAGE: string = 'onnxruntime-node';

/** @throws SetupError when onnxruntime-node is not installed or has no binary for this machine */
export async function onnxRuntime(): Promise<OnnxRuntime> {
  try {
    const loaded = (await import(PACKAGE)) as OnnxRuntime & { default?: OnnxRuntime };
    return loaded.default ?? loaded;
  } catch (thrown) {
    throw new SetupError(`ONNX Runtime cannot be loaded: ${reason(thrown).split('\n')[0]}`, {
      fix: 'install it with `npm install onnxruntime-node`, or leave out --engine onnx',
      cause: thrown,
    });
  }
}

/** One ONNX file, ready to run. */
export class OnnxSession {
  readonly #runtime: OnnxRuntime;
  readonly #session: RuntimeSession;

  private constructor(runtime: OnnxRuntime, session: RuntimeSession) {
    this.#runtime = runtime;
    this.#session = session;
  }

  /** @throws SetupError without ONNX Runtime, or when it refuses the file */
  static async open(path: string): Promise<OnnxSession> {
    const runtime = await onnxRuntime();
    try {
      const options = { intraOpNumThreads: availableParallelism(), logSeverityLevel: 3 };
      return new OnnxSession(runtime, await runtime.InferenceSession.create(path, options));
    } catch (thrown) {
      throw new SetupError(`ONNX Runtime refuses ${path}: ${reason(thrown)}`, {
        where: path,
        fix: 'export the model again with `cellsam export --to onnx`',
        cause: thrown,
      });
    }
  }

  get inputNames(): readonly string[] {
    return this.#session.inputNames;
  }

  async run(inputs: SessionArrays): Promise<SessionArrays> {
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, { dtype, data, shape }]) => [
        name,
        new this.#runtime.Tensor(dtype, data, shape),
      ]),
    );
    const results = await this.#session.run(feeds);
    return Object.fromEntries(
      Object.entries(results).map(([name, { type, data, dims }]) => [
        name,
        { dtype: type, data, shape: dims } as SessionArray,
      ]),
    );
  }

  async dispose(): Promise<void> {
    await this.#session.release();
  }
}
