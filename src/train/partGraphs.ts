import { capture, graphOf, layoutOf, type Operation, type Value } from '../graph/capture.js';
import { type Runnable, runnable } from '../graph/runnable.js';
import { type Part, type PartRunner, readBy } from '../models/gradientPlan.js';
import { backendInfo, gradientsApart, jointOp, tf } from '../tf/index.js';

type Tensors = Record<string, tf.Tensor>;
type Values = Readonly<Record<string, Value>>;

interface Direction {
  readonly operations: readonly Operation[];
  readonly inputs: Values;
  readonly outputs: Values;
}

/** A part's operations; tensors go by the names that `givenTo` gives them, by `kept0`, `kept1`, .. and `dy`. */
interface Recorded {
  /** Weights that it reads, by their names below its scope. */
  readonly weights: readonly string[];
  /** From what is given to `y` and to what the gradients need of what was computed on the way. */
  readonly forward: Direction;
  /** From that, what is given and `dy` to the gradients, by the names of what they are gradients of. */
  readonly backward: Direction;
}

interface Ready {
  readonly recorded: Recorded;
  readonly forward: Runnable;
  readonly backward: Runnable;
}

/**
 * Parts of a model as graphs of TensorFlow's, one for the value and one for the gradients. A part is recorded when it is met
 * for the first time and runs as graphs once `ready` has been waited for. The graphs hold no weights: the layers of an encoder
 * share theirs.
 */
export class PartGraphs implements PartRunner {
  readonly #recorded = new Map<string, Recorded>();
  /** Undefined where no graphs could be made. */
  readonly #ready = new Map<string, Ready | undefined>();

  run(part: Part): tf.Tensor | undefined {
    if (backendInfo().gpu) return undefined; // every input would travel to the processor's memory and back
    const key = keyOf(part);
    const ready = this.#ready.get(key);
    if (ready !== undefined) return runAsGraphs(part, ready);
    if (this.#recorded.has(key) || this.#ready.has(key)) return undefined;
    const { outputs: y, read } = readBy(part.plan, () => part.f([...part.inputs]));
    const { prefix } = part.plan;
    const weights = [...read].filter((n) => n.startsWith(prefix)).map((n) => n.slice(prefix.length));
    this.#recorded.set(key, record(part, weights, y.shape));
    return y;
  }

  /** Makes graphs of what was recorded. */
  async ready(): Promise<void> {
    for (const [key, recorded] of this.#recorded) {
      const forward = await made(recorded.forward);
      const backward = forward && (await made(recorded.backward));
      this.#ready.set(key, forward && backward && { recorded, forward, backward });
    }
    this.#recorded.clear();
  }

  /** How many different parts run as graphs. */
  get size(): number {
    return [...this.#ready.values()].filter((ready) => ready !== undefined).length;
  }

  dispose(): void {
    for (const ready of this.#ready.values()) {
      ready?.forward.dispose();
      ready?.backward.dispose();
    }
    this.#ready.clear();
  }
}

function made({ operations, inputs, outputs }: Direction): Promise<Runnable | undefined> {
  const { graph, signature } = graphOf(operations, inputs, outputs);
  return runnable(graph, signature);
}

const keyOf = ({ name, inputs, isConstant, plan }: Part): string =>
  JSON.stringify([name, layoutOf(inputs), inputs.map((_, i) => isConstant(i)), [...plan.weights.keys()]]);

/** Inputs and weights by the graphs' names. */
const givenTo = ({ inputs, weights }: Part, names: readonly string[]): Tensors => ({
  ...Object.fromEntries(inputs.map((x, i) => [`input${i}`, x])),
  ...Object.fromEntries(names.map((name) => [`weight_${name}`, weights.get(name)])),
});

/** Which of those get a gradient. */
function movingOf({ inputs, isConstant, plan }: Part, names: readonly string[]): string[] {
  return [
    ...inputs.flatMap((_, i) => (isConstant(i) ? [] : [`input${i}`])),
    ...names.flatMap((name) => (plan.weights.has(name) ? [`weight_${name}`] : [])),
  ];
}

/** Runs a part forward and backward, apart from everything else. @param shape of its value */
function record(part: Part, weights: readonly string[], shape: number[]): Recorded {
  const given = givenTo(part, weights);
  const dy = tf.ones(shape);
  const names = [...Object.keys(given), 'dy'];
  const moving = movingOf(part, weights);
  const recorded = capture([...Object.values(given), dy], ({ operations, inputs, valueFor }) => {
    const values: Values = Object.fromEntries(names.map((name, i) => [name, inputs[i] as Value]));
    let y: Value | undefined;
    let length = 0;
    const forward = () => {
      const value = part.f([...part.inputs]);
      [y, length] = [valueFor(value), operations.length];
      return value;
    };
    const grads = gradientsApart(
      forward,
      moving.map((name) => given[name] as tf.Tensor),
      dy,
    );
    const gradients = moving.flatMap((name, i) => {
      const own = grads[i];
      return own === undefined ? [] : [[name, valueFor(own)] as const];
    });
    const [before, after] = [operations.slice(0, length), operations.slice(length)];
    return { weights, ...directions(before, after, values, y as Value, Object.fromEntries(gradients)) };
  });
  dy.dispose();
  return recorded;
}

/** Connects both directions. @param values of everything given and `dy` */
function directions(
  forward: readonly Operation[],
  backward: readonly Operation[],
  values: Values,
  y: Value,
  gradients: Values,
): Pick<Recorded, 'forward' | 'backward'> {
  const used = new Set([...backward.flatMap(({ inputs }) => inputs), ...Object.values(gradients)]);
  const made = forward.flatMap(({ outputs }) => outputs).filter((value) => used.has(value));
  const kept = Object.fromEntries(made.map((value, i) => [`kept${i}`, value]));
  const { dy, ...given } = values;
  const again = Object.fromEntries(Object.entries(values).filter(([, value]) => used.has(value)));
  return {
    forward: { operations: forward, inputs: given, outputs: { y, ...kept } },
    backward: { operations: backward, inputs: { ...again, ...kept }, outputs: gradients },
  };
}

function runAsGraphs(part: Part, { recorded, forward, backward }: Ready): tf.Tensor {
  const given = givenTo(part, recorded.weights);
  const moving = movingOf(part, recorded.weights);
  const taken = Object.keys(recorded.backward.inputs).filter((name) => name !== 'dy');
  return jointOp(
    Object.fromEntries(moving.map((name) => [name, given[name] as tf.Tensor])),
    (save) => {
      const { y, ...kept } = forward.run(given);
      const all: Tensors = { ...given, ...kept };
      save(taken.map((name) => all[name] as tf.Tensor));
      tf.dispose(kept);
      return y as tf.Tensor;
    },
    ([dy], saved) => {
      const inputs: Tensors = Object.fromEntries(taken.map((name, i) => [name, saved[i] as tf.Tensor]));
      if ('dy' in recorded.backward.inputs) inputs['dy'] = dy as tf.Tensor;
      const gradients = backward.run(inputs);
      return Object.fromEntries(
        moving.map((name) => [name, gradients[name] ?? tf.zerosLike(given[name] as tf.Tensor)]),
      );
    },
  );
}
