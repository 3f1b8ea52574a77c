import { portable, tf } from '../../tf/index.js';
import type { Graph } from './graph.js';
import { merge } from './merge.js';
import { type NamedTensors, record } from './record.js';
import { simplify } from './simplify.js';
import { type Sizes, type SymbolSource, withFormulas } from './symbols.js';

/** A function to be made a graph at any size, with what it needs to be traced. */
export interface Program {
  readonly name: string;
  readonly about: string;
  readonly symbols: Readonly<Record<string, SymbolSource>>;
  /** Sizes to trace at: three or more, none 1, none a function of another. Only symbols without a formula. */
  readonly sizes: readonly Sizes[];
  /** Inputs of these sizes with values like real ones; the caller's. */
  inputs(sizes: Sizes): NamedTensors;
  /** Pure; given also the values of derived symbols. */
  run(inputs: NamedTensors, sizes: Sizes): NamedTensors;
  /** Inputs that callers give as bytes; the program sees int32. */
  readonly byteInputs?: readonly string[];
  readonly weightNames: ReadonlyMap<number, string>;
}

/**
 * The program's graph: recorded at all sizes, merged, simplified; chains are not fused yet.
 *
 * @param isDry false computes while tracing, which tests compare with
 */
export function traceProgram(program: Program, isDry = true): Graph {
  const sizes = program.sizes.map((s) => withFormulas(program.symbols, s));
  const traces = sizes.map((s) => {
    const inputs = program.inputs(s);
    try {
      return portable(() =>
        record((given) => program.run(given, s), inputs, { isDry, weightNames: program.weightNames }),
      );
    } finally {
      tf.dispose(Object.values(inputs));
    }
  });
  const graph = merge(traces, sizes, program.symbols);
  simplify(graph);
  return graph;
}

/** What the live program gives, in its portable form; the caller's. */
export function runProgram(program: Program, inputs: NamedTensors, sizes: Sizes): NamedTensors {
  return tf.tidy(() => program.run(inputs, withFormulas(program.symbols, sizes)) as tf.NamedTensorMap);
}
