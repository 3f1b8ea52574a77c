import type { Graph } from '../../graph/trace/graph.js';
import type { Program } from '../../graph/trace/trace.js';
import type { ModelConfig } from '../../models/options.js';
import type { Scaling } from '../../segment/engine.js';
import type { SessionArrays } from '../../segment/engines/onnxSession.js';
import type { Case } from '../verify/cases.js';

/** A program with its graph; the graph is not fused and must not be changed. */
export interface Traced {
  readonly program: Program;
  readonly graph: Graph;
}

/** Numbers stored in fewer bits; only ONNX has them. */
export type Precision = 'float16' | 'int8';

/** What is known of an export before anything is traced. */
export interface ExportFacts {
  readonly config: ModelConfig;
  readonly thresholds: Readonly<Record<string, number | undefined>> | undefined;
  readonly scaling: Scaling;
  /** How the model was made, and its licence, in words. */
  readonly training: string;
  readonly licence: string;
  readonly smaller: readonly Precision[];
  readonly opset: number;
  /** Weights of more bytes than this go beside a file that protobuf writes. */
  readonly weightsUpTo: number;
  /** Whether what is written is compared with the live model. */
  readonly isVerified: boolean;
}

/** What a target writes. */
export interface ExportSource extends ExportFacts {
  readonly traced: readonly Traced[];
  /** Inputs with the live model's outputs, of every program; none when nothing is compared. */
  readonly cases: readonly Case[];
}

export interface WrittenFile {
  readonly path: string;
  readonly bytes: number;
}

/** One exported program, ready to run. */
export interface OpenProgram {
  run(inputs: SessionArrays): Promise<SessionArrays>;
  dispose(): Promise<void>;
}

/** An exported model in the target's own runtime. */
export interface Runtime {
  /** As printed: runtime and, for smaller forms, which. */
  readonly name: string;
  /** Largest relative difference that is right; undefined where it is printed and not judged. */
  readonly limit: number | undefined;
  /** The program is the caller's to dispose of. */
  open(program: string): Promise<OpenProgram>;
}

/** A form to export to. */
export interface Target {
  readonly about: string;
  /** Names of the programs that it writes. */
  readonly programs: readonly string[];
  /** Looks for what would make `write` fail, before the work begins. @throws ExportError */
  check?(facts: ExportFacts): void;
  /** Writes below `folder`. @throws ExportError naming a kernel without mapping */
  write(source: ExportSource, folder: string): Promise<readonly WrittenFile[]>;
  /** The runtimes that can open what was written; empty with a note where the runtime is not installed. */
  runtimes(
    source: ExportSource,
    folder: string,
    note: (message: string) => void,
  ): Promise<readonly Runtime[]>;
}

/** Float32 files must agree with the live model to this share of a tensor's magnitude. */
export const LIMIT = 1e-4;
