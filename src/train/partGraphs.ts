import { ExportError } from '../core/errors.js';
import { type Capture, capture, graphOf, type Operation, type Value } from '../graph/capture.js';
import { type Runnable, runnable } from '../graph/runnable.js';
import type { ModelPart, PartRunner } from '../models/gradientPlan.js';
import type { Weights } from '../models/parameters.js';
import { gradientsApart, isOnGpu, isTaping, jointOp, tf } from '../tf/index.js';

type Tensors = Record<string, tf.Tensor>;
type Values = ReadonlyMap<string, Value>;

/** One way of a part; its values by the names that the graph gives them. */
interface Direction {
  readonly operations: readonly Operation[];
  readonly inputs: Values;
  readonly outputs: Values;
}

/** A part's operations. Tensors go by `input0`, .., `weight_<name>`, `y0`, .., `dy0`, .. and `kept0`, .. */
interface Recorded {
  /** Weights that it reads, by their names below its scope. */
  readonly weights: readonly string[];
  /** Inputs and weights that get a gradient. */
  readonly moving: readonly string[];
  /** Of each value that it gives, whether no trained weight bears on it. */
  readonly constant: readonly boolean[];
  /** From what is given to the values, and to what the gradients need of what was computed on the way. */
  readonly forward: Direction;
  /** From that, what is given and the values' gradients to the gradients, by the names of what they are gradients of. */
  readonly backward: Direction;
}

/** What of a part is left when its graphs have been made. */
interface Graphs {
  readonly part: Pick<Recorded, 'weights' | 'moving' | 'constant'>;
  /** What the backward graph takes. */
  readonly taken: readonly string[];
  readonly forward: Runnable;
  readonly backward: Runnable;
}

/**
 * Parts of a model as graphs of TensorFlow's, one for the values and one for the gradients. A part is recorded when it is met
 * for the first time, and run as graphs once `ready` has been waited for; until then, and where no graphs can be made, it is
 * left to be run plainly. The graphs hold no weights: the layers of an encoder share theirs.
 */
export class PartGraphs implements PartRunner {
  readonly #recorded = new Map<string, Recorded>();
  /** Undefined where no graphs could be made. */
  readonly #graphs = new Map<string, Graphs | undefined>();
  readonly #warn: (message: string) => void;
  /** How often graphs ran in place of a part; for tests. */
  runs = 0;

  /** @param warn told about parts that are run plainly because of a fault */
  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  run(part: ModelPart): tf.Tensor[] | undefined {
    // On a GPU every input would travel to the processor's memory and back. Without a tape there is nothing to record.
    if (isOnGpu() || !isTaping()) return undefined;
    const key = keyOf(part);
    const graphs = this.#graphs.get(key);
    if (graphs !== undefined) {
      this.runs += 1;
      return runAsGraphs(part, graphs);
    }
    if (this.#graphs.has(key) || this.#recorded.has(key)) return undefined;
    try {
      const recorded = record(part);
      const hasGradients = recorded.backward.outputs.size > 0;
      if (hasGradients) this.#recorded.set(key, recorded);
      else this.#graphs.set(key, undefined); // not to be recorded in every step
    } catch (thrown) {
      if (!(thrown instanceof ExportError)) throw thrown;
      this.#refuse(key, thrown);
    }
    return undefined;
  }

  async ready(): Promise<boolean> {
    const isNew = this.#recorded.size > 0;
    for (const [key, recorded] of [...this.#recorded]) {
      this.#recorded.delete(key);
      try {
        this.#graphs.set(key, await graphsOf(recorded));
      } catch (thrown) {
        this.#refuse(key, thrown);
      }
    }
    return isNew;
  }

  #refuse(key: string, thrown: unknown): void {
    this.#graphs.set(key, undefined);
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    this.#warn(`a part of the model cannot run as a graph, and training is slower for it: ${why}`);
  }

  dispose(): void {
    for (const graphs of this.#graphs.values()) {
      graphs?.forward.dispose();
      graphs?.backward.dispose();
    }
    this.#graphs.clear();
  }
}

async function graphsOf({ forward, backward, ...part }: Recorded): Promise<Graphs | undefined> {
  const forwards = await made(forward);
  if (forwards === undefined) return undefined;
  try {
    const backwards = await made(backward);
    if (backwards !== undefined)
      return { part, taken: [...backward.inputs.keys()], forward: forwards, backward: backwards };
  } catch (thrown) {
    forwards.dispose();
    throw thrown;
  }
  forwards.dispose();
  return undefined;
}

function made({ operations, inputs, outputs }: Direction): Promise<Runnable | undefined> {
  const { graph, signature } = graphOf(operations, Object.fromEntries(inputs), Object.fromEntries(outputs));
  return runnable(graph, signature);
}

const keyOf = ({ name, inputs, isConstant, plan }: ModelPart): string =>
  JSON.stringify([
    name,
    inputs.map(({ shape, dtype }, i) => [shape, dtype, isConstant(i)]),
    [...plan.names],
    [plan.isLean, plan.linear.name],
  ]);

/** `y0`, `y1`, .. */
const numbered = <T>(name: string, of: readonly T[]): Map<string, T> =>
  new Map(of.map((value, i) => [`${name}${i}`, value]));

const weightName = (name: string): string => `weight_${name}`;
const isIncoming = (name: string): boolean => /^dy\d+$/.test(name);

/** Runs a part forward and backward, apart from everything else. */
function record(part: ModelPart): Recorded {
  return capture((own) => {
    const { constants } = part.plan;
    const inputs = part.inputs.map((x) => own.input(x));
    for (const [i, x] of inputs.entries()) if (part.isConstant(i)) constants.add(x);
    const given = numbered('input', inputs);
    const weights: string[] = [];
    const read = (name: string): tf.Tensor => {
      const known = given.get(weightName(name));
      if (known !== undefined) return known;
      const weight = own.input(part.weights.get(name));
      weights.push(name);
      given.set(weightName(name), weight);
      return weight;
    };
    let forward:
      | { readonly length: number; readonly values: readonly Value[]; readonly constant: readonly boolean[] }
      | undefined;
    let incoming: tf.Tensor[] = [];
    const moving = () => [
      ...part.inputs.flatMap((_, i) => (part.isConstant(i) ? [] : [`input${i}`])),
      ...weights.flatMap((name) => (part.plan.names.has(name) ? [weightName(name)] : [])),
    ];
    const grads = gradientsApart(
      () => {
        const ys = part.f(inputs, replaced(part.weights, read));
        forward = {
          length: own.operations.length,
          values: ys.map((y) => own.valueFor(y)),
          constant: ys.map((y) => constants.has(y)),
        };
        return ys;
      },
      () => moving().map((name) => given.get(name) as tf.Tensor),
      (ys) => {
        incoming = ys.map(({ shape }) => own.input(tf.ones(shape)));
        return incoming;
      },
    );
    const { length, values, constant } = forward as NonNullable<typeof forward>;
    const names = moving();
    const gradients = new Map<string, Value>();
    for (const [i, x] of grads.entries())
      if (x !== undefined) gradients.set(names[i] as string, own.valueFor(x));
    const ways = {
      forward: own.operations.slice(0, length),
      backward: own.operations.slice(length),
      given: valuesOf(given, own),
      incoming: valuesOf(numbered('dy', incoming), own),
      values,
      gradients,
    };
    return { weights, moving: names, constant, ...directions(ways) };
  });
}

const valuesOf = (tensors: ReadonlyMap<string, tf.Tensor>, own: Capture): Map<string, Value> =>
  new Map([...tensors].map(([name, x]) => [name, own.valueFor(x)]));

/** The same weights with other tensors. @param get by names below the outermost scope */
const replaced = (weights: Weights, get: (name: string) => tf.Tensor, prefix = ''): Weights => ({
  get: (name) => get(prefix + name),
  has: (name) => weights.has(name),
  scope: (inner) => replaced(weights.scope(inner), get, `${prefix}${inner}.`),
  plan: () => weights.plan?.(),
});

/** What goes in and out of both ways, and from the one to the other. */
function directions(of: {
  readonly forward: readonly Operation[];
  readonly backward: readonly Operation[];
  readonly given: Values;
  readonly incoming: Values;
  readonly values: readonly Value[];
  readonly gradients: Values;
}): Pick<Recorded, 'forward' | 'backward'> {
  const used = new Set([...of.backward.flatMap(({ inputs }) => inputs), ...of.gradients.values()]);
  const onTheWay = of.forward.flatMap(({ outputs }) => outputs).filter((value) => used.has(value));
  const kept = numbered('kept', onTheWay);
  const again = [...of.given, ...of.incoming].filter(([, value]) => used.has(value));
  return {
    forward: {
      operations: of.forward,
      inputs: of.given,
      outputs: new Map([...numbered('y', of.values), ...kept]),
    },
    backward: { operations: of.backward, inputs: new Map([...again, ...kept]), outputs: of.gradients },
  };
}

function runAsGraphs(part: ModelPart, { part: own, taken, forward, backward }: Graphs): tf.Tensor[] {
  const given: Tensors = Object.fromEntries([
    ...numbered('input', part.inputs),
    ...own.weights.map((name) => [weightName(name), part.weights.get(name)] as const),
  ]);
  const saving = taken.filter((name) => !isIncoming(name));
  const outputs = jointOp(
    Object.fromEntries(own.moving.map((name) => [name, given[name] as tf.Tensor])),
    (save) => {
      const results = forward.run(given);
      const all: Tensors = { ...given, ...results };
      save(saving.map((name) => all[name] as tf.Tensor));
      const ys = own.constant.map((_, i) => results[`y${i}`] as tf.Tensor);
      tf.dispose(Object.values(results).filter((x) => !ys.includes(x)));
      return ys;
    },
    (dys, saved) => {
      const all = new Map([...numbered('dy', dys), ...saving.map((name, i) => [name, saved[i]] as const)]);
      const gradients = backward.run(
        Object.fromEntries(taken.map((name) => [name, all.get(name) as tf.Tensor])),
      );
      return Object.fromEntries(
        own.moving.map((name) => [name, gradients[name] ?? tf.zerosLike(given[name] as tf.Tensor)]),
      );
    },
  );
  for (const [i, y] of outputs.entries()) if (own.constant[i] === true) part.plan.constants.add(y);
  return outputs;
}
