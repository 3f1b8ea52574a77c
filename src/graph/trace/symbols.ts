/**
 * Sizes that are not fixed. A number that differs between traces becomes a sum of at most two products of symbols with
 * constant factors, such as `18*B`, `N+5` or `P*N+5*P`.
 */
export interface Term {
  readonly mul: number;
  readonly of: readonly string[];
}

export interface Expression {
  readonly terms: readonly Term[];
}

/** A size: a number, or a function of the symbols. */
export type Dim = number | Expression;
export type Sizes = Readonly<Record<string, number>>;

/** A formula over symbols, computed in single precision: a number, a symbol, or an operation on formulas. */
export type Formula =
  | number
  | string
  | readonly ['floor', Formula]
  | readonly ['add' | 'sub' | 'mul' | 'div' | 'max' | 'min', Formula, Formula];

/** Where a symbol's value comes from when the exported file runs. */
export type SymbolSource =
  /** The size of an axis of an input. */
  | { readonly dim: readonly [input: string, axis: number] }
  /** A value of an input. */
  | { readonly value: readonly [input: string, index: number] }
  | { readonly formula: Formula };

export const isSymbolic = (value: unknown): value is Expression =>
  typeof value === 'object' && value !== null && 'terms' in value;

const product = (of: readonly string[], sizes: Sizes): number =>
  of.reduce((p, name) => p * (sizes[name] as number), 1);

/** The size at given values of the symbols. */
export const evaluate = (dim: Dim, sizes: Sizes): number =>
  isSymbolic(dim) ? dim.terms.reduce((sum, { mul, of }) => sum + mul * product(of, sizes), 0) : dim;

/** A size as text: equal sizes have equal text. */
export const label = (dim: Dim): string =>
  isSymbolic(dim)
    ? dim.terms
        .map(({ mul, of }) => (of.length === 0 ? `${mul}` : `${mul === 1 ? '' : `${mul}*`}${of.join('*')}`))
        .join('+')
    : `${dim}`;

export const plus = (dim: Dim, n: Dim): Dim => {
  if (n === 0) return dim;
  if (typeof dim === 'number' && typeof n === 'number') return dim + n;
  const terms = (d: Dim): readonly Term[] => (isSymbolic(d) ? d.terms : [{ mul: d, of: [] }]);
  return { terms: [...terms(dim), ...terms(n)] };
};

/** Values of derived symbols beside the given ones. */
export function withFormulas(sources: Readonly<Record<string, SymbolSource>>, sizes: Sizes): Sizes {
  const all: Record<string, number> = { ...sizes };
  for (const [name, source] of Object.entries(sources))
    if ('formula' in source) all[name] = compute(source.formula, all);
  return all;
}

function compute(formula: Formula, sizes: Sizes): number {
  if (typeof formula === 'number') return formula;
  if (typeof formula === 'string') return sizes[formula] as number;
  const [name, ...parts] = formula;
  const [a = 0, b = 0] = parts.map((part) => compute(part, sizes));
  const f = Math.fround;
  switch (name) {
    case 'floor':
      return Math.floor(a);
    case 'add':
      return f(a + b);
    case 'sub':
      return f(a - b);
    case 'mul':
      return f(a * b);
    case 'div':
      return f(a / b);
    case 'max':
      return Math.max(a, b);
    case 'min':
      return Math.min(a, b);
  }
}

interface Candidate extends Term {
  readonly at: readonly number[];
}

/** Answers by the sizes they were found for: the same numbers come thousands of times in a graph. */
const answers = new WeakMap<readonly Sizes[], Map<string, Dim | undefined>>();

/**
 * The simplest expression that gives `seen[i]` at `sizes[i]`, or undefined when there is none. Factors are solved on two
 * traces and must hold on all others; `isWhole` asks for whole factors, as sizes have.
 */
export function expressionFor(
  seen: readonly number[],
  sizes: readonly Sizes[],
  isWhole = true,
): Dim | undefined {
  const [first = 0] = seen;
  if (seen.every((value) => value === first)) return first;
  const known = answers.get(sizes) ?? new Map<string, Dim | undefined>();
  answers.set(sizes, known);
  const key = `${isWhole} ${seen.join()}`;
  if (!known.has(key)) known.set(key, search(seen, sizes, isWhole));
  return known.get(key);
}

function search(seen: readonly number[], sizes: readonly Sizes[], isWhole: boolean): Dim | undefined {
  const all: Candidate[] = monomials(Object.keys(sizes[0] ?? {})).map((of) => ({
    mul: 1,
    of,
    at: sizes.map((s) => product(of, s)),
  }));
  const [first, second] = seen as readonly [number, number];
  const found: { readonly cost: number; readonly terms: readonly Term[] }[] = [];
  const consider = (...terms: Candidate[]): void => {
    if (!fits(terms, seen, isWhole)) return;
    const cost = terms.reduce((c, { mul, of }) => c + 2 + of.length + (mul === 1 ? 0 : 0.5), 0);
    found.push({ cost, terms: terms.map(({ mul, of }) => ({ mul, of })) });
  };
  for (const a of all) consider({ ...a, mul: first / (a.at[0] as number) });
  // one term is always simpler than two
  if (found.length === 0)
    for (const [i, a] of all.entries())
      for (const b of all.slice(0, i)) {
        // seen = p a + q b on the first two traces, by Cramer's rule
        const [a0, a1, b0, b1] = [a.at[0], a.at[1], b.at[0], b.at[1]] as [number, number, number, number];
        const det = a0 * b1 - a1 * b0;
        if (det === 0) continue;
        consider(
          { ...a, mul: (first * b1 - second * b0) / det },
          { ...b, mul: (a0 * second - a1 * first) / det },
        );
      }
  const [best] = found.sort((x, y) => x.cost - y.cost);
  return best === undefined ? undefined : { terms: best.terms };
}

function fits(terms: readonly Candidate[], seen: readonly number[], isWhole: boolean): boolean {
  for (const { mul } of terms)
    if (mul === 0 || !Number.isFinite(mul) || (isWhole && !Number.isInteger(mul))) return false;
  return seen.every((value, i) => {
    const got = terms.reduce((sum, { mul, at }) => sum + mul * (at[i] as number), 0);
    return Math.abs(got - value) <= 1e-6 * Math.max(1, Math.abs(value));
  });
}

/** 1, every symbol, and every product of two. */
function monomials(names: readonly string[]): string[][] {
  const pairs = names.flatMap((a, i) => names.slice(i).map((b) => [a, b]));
  return [[], ...names.map((name) => [name]), ...pairs];
}
