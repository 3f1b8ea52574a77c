import { ConfigError, UsageError } from '../core/errors.js';
import { didYouMean } from '../core/nearest.js';

/** The variables of a schedule expression. */
export interface ScheduleVariables {
  readonly step: number;
  readonly epoch: number;
  readonly maxSteps: number;
}

export type Schedule = (variables: ScheduleVariables) => number;

const VARIABLES = ['step', 'epoch', 'maxSteps', 'pi', 'e'];
const FUNCTIONS = [
  'abs',
  'ceil',
  'cos',
  'exp',
  'floor',
  'log',
  'log10',
  'log2',
  'max',
  'min',
  'pow',
  'round',
  'sin',
  'sqrt',
  'tanh',
];
const OPERATORS = ['+', '-', '*', '/', '^', '%', '<', '<=', '>', '>=', '==', '!=', 'and', 'or', 'not', '?:'];
/** The only kinds of node that arithmetic needs: no assignment, no indexing, no property, no function definition, no block. */
const NODES = [
  'ConstantNode',
  'SymbolNode',
  'OperatorNode',
  'ParenthesisNode',
  'FunctionNode',
  'ConditionalNode',
  'RelationalNode',
];

/** The part of mathjs that is used here. */
interface MathNode {
  readonly type: string;
  readonly name?: string;
  readonly op?: string;
  readonly value?: unknown;
  readonly fn?: { readonly type: string; readonly name?: string };
  traverse(visit: (node: MathNode, path: string, parent: MathNode | null) => void): void;
  compile(): { evaluate(scope: Map<string, number>): unknown };
}

/**
 * A learning-rate expression such as `1e-4 * min(1, step / 100)`, locked down to arithmetic: every node of the parsed
 * expression is checked before anything is evaluated, so a configuration cannot run code.
 *
 * @throws ConfigError when the text is no arithmetic in `step`, `epoch` and `maxSteps`
 */
export async function parseSchedule(text: string, where = text): Promise<Schedule> {
  const { parse } = await import('mathjs');
  let root: MathNode;
  try {
    root = parse(text) as unknown as MathNode;
  } catch (thrown) {
    throw new ConfigError(
      `\`${text}\` is not an expression: ${thrown instanceof Error ? thrown.message : thrown}`,
      { where },
    );
  }
  root.traverse((node, _path, parent) => refuseCode(node, parent, text, where));
  const compiled = root.compile();
  return (variables) => {
    const value = compiled.evaluate(new Map(Object.entries(variables)));
    if (typeof value === 'boolean') return Number(value);
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw new ConfigError(
        `\`${text}\` is ${String(value)} at step ${variables.step}; a finite number is needed`,
        { where },
      );
    }
    return value;
  };
}

function refuseCode(node: MathNode, parent: MathNode | null, text: string, where: string): void {
  const refuse = (what: string): never => {
    throw new ConfigError(`\`${text}\`: ${what}`, {
      where,
      fix: `use numbers, ${VARIABLES.join(', ')}, the usual operators, and ${FUNCTIONS.join(', ')}`,
    });
  };
  if (!NODES.includes(node.type))
    refuse(`only arithmetic is allowed, not a ${node.type.replace('Node', '').toLowerCase()}`);
  if (node.type === 'ConstantNode' && typeof node.value !== 'number' && typeof node.value !== 'boolean')
    refuse('only numbers are allowed');
  if (node.type === 'OperatorNode' && !OPERATORS.includes(node.op ?? ''))
    refuse(`the operator ${node.op} is not allowed`);
  if (node.type === 'FunctionNode') {
    const name = node.fn?.name ?? '';
    if (node.fn?.type !== 'SymbolNode' || !FUNCTIONS.includes(name))
      refuse(`the function ${name} is not allowed${didYouMean(name, FUNCTIONS)}`);
  }
  if (node.type === 'SymbolNode' && !(parent?.type === 'FunctionNode' && parent.fn === node)) {
    if (!VARIABLES.includes(node.name ?? ''))
      refuse(`${node.name} is unknown${didYouMean(node.name ?? '', VARIABLES)}`);
  }
}

/**
 * A length such as `0.65 um`, `650 nm` or a plain number of micrometres, in micrometres.
 *
 * @throws ConfigError when it is no positive length
 */
export async function parseMicrometres(text: string | number, where = String(text)): Promise<number> {
  if (typeof text === 'number') return positive(text, where);
  // mathjs knows `um` but neither of Unicode's two micro signs.
  const plain = text.replaceAll('\u00b5', 'u').replaceAll('\u03bc', 'u').trim();
  if (!/^[\d.eE+-]+\s*[a-z]*$/.test(plain)) throw notALength(text, where);
  if (!/[a-z]/.test(plain.replace(/e[+-]?\d+/i, ''))) return positive(Number(plain), where);
  const { unit } = await import('mathjs');
  try {
    return positive(unit(plain).toNumber('um'), where);
  } catch {
    throw notALength(text, where);
  }
}

/**
 * A time such as `90 s`, `10m`, `1.5 h` or a plain number of seconds, in seconds.
 *
 * @throws UsageError when it is no positive time
 */
export async function parseSeconds(text: string | number, where = String(text)): Promise<number> {
  const match = /^([\d.]+)\s*([a-z]*)$/.exec(String(text).trim());
  const { unit } = await import('mathjs');
  try {
    const name = match?.[2] === 'm' ? 'min' : match?.[2] || 's'; // mathjs reads `m` as metres
    const value = unit(`${match?.[1]} ${name}`).toNumber('s');
    if (value > 0 && Number.isFinite(value)) return value;
  } catch {} // told below
  throw new UsageError(`${where === String(text) ? '' : `${where}: `}\`${text}\` is not a positive time`, {
    where,
    fix: 'write it like `90s`, `10m` or `1h`; a number alone means seconds',
  });
}

function positive(value: number, where: string): number {
  if (value > 0 && Number.isFinite(value)) return value;
  throw notALength(String(value), where);
}

function notALength(text: string, where: string): ConfigError {
  return new ConfigError(`\`${text}\` is not a positive length`, {
    where,
    fix: 'write it like `0.65 um` or `650 nm`',
  });
}
