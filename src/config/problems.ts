import { type Document, isMap, isNode, isPair, isScalar, type LineCounter } from 'yaml';
import type { z } from 'zod';
import type { Problem } from '../core/errors.js';
import { didYouMean } from '../core/nearest.js';
import type { Override } from './overrides.js';
import { sentenceOf } from './sentences.js';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** zod's issues as sentences with places, in the file's order, those of the command line last. */
export function describeIssues(
  issues: readonly Issue[],
  schema: z.ZodType,
  document: Document,
  lines: LineCounter,
  overrides: readonly Override[],
): Problem[] {
  const given = (path: Path) =>
    overrides.find((o) => o.path.map(String).join('.') === path.map(String).join('.'))?.value ??
    plain(document.getIn(path), document);
  const found = issues
    .flatMap((issue) => flatten(issue))
    .flatMap((issue) => sentences(issue, schema, given(issue.path)));
  const placed = found.map(({ path, message }) => {
    const key = path.map(String).join('.');
    const inFile = lineOf(document, path, lines);
    const override = overrides.find((o) => {
      const set = o.path.map(String).join('.');
      return set === key || (inFile === undefined && set.startsWith(`${key}.`));
    });
    const line = override === undefined ? inFile : undefined;
    const place = override === undefined ? (line === undefined ? '' : `line ${line}  `) : 'command line  ';
    return {
      order: override === undefined ? (line ?? 0) : Number.MAX_SAFE_INTEGER,
      problem: { where: `${place}${key || '(top)'}`, message },
    };
  });
  return placed.sort((a, b) => a.order - b.order).map(({ problem }) => problem);
}

/** Issues inside a union are reported by zod as "Invalid input"; the branch that fits best says more. */
function flatten(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const branches = issue.errors.filter((branch) => branch.length > 0);
  const best = branches.sort(
    (a, b) => Number(isTypeMismatch(a)) - Number(isTypeMismatch(b)) || a.length - b.length,
  )[0];
  if (best === undefined || branches.every(isTypeMismatch)) return [issue];
  return best.flatMap((inner) => flatten({ ...inner, path: [...issue.path, ...inner.path] } as Issue));
}

const isTypeMismatch = (branch: readonly Issue[]) =>
  branch.length === 1 && branch[0]?.code === 'invalid_type' && branch[0].path.length === 0;

function sentences(issue: Issue, schema: z.ZodType, given: unknown): { path: Path; message: string }[] {
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, issue.path);
    return issue.keys.map((key) => ({
      path: [...issue.path, key],
      message: `unknown key${didYouMean(key, known)}`,
    }));
  }
  if (issue.code === 'invalid_value' && typeof given === 'string') {
    const known = issue.values.map(String);
    const message = `there is no \`${given}\`${didYouMean(given, known)}; known are ${known.join(', ')}`;
    return [{ path: issue.path, message }];
  }
  return [{ path: issue.path, message: sentenceOf(issue, given) }];
}

/** Lists and maps of the file as plain values. */
const plain = (found: unknown, document: Document): unknown => (isNode(found) ? found.toJS(document) : found);

/** The keys that the schema has at a path, through optionals, defaults, unions and arrays. */
export function knownKeys(schema: z.ZodType, path: Path): string[] {
  let candidates: unknown[] = [schema];
  for (const key of path) candidates = candidates.flatMap(unwrap).flatMap((s) => children(s, key));
  return [...new Set(candidates.flatMap(unwrap).flatMap((s) => Object.keys(shapeOf(s))))];
}

interface Definition {
  readonly type: string;
  readonly innerType?: unknown;
  readonly in?: unknown;
  readonly options?: readonly unknown[];
  readonly element?: unknown;
  readonly shape?: Readonly<Record<string, unknown>>;
  readonly getter?: () => unknown;
}

const definition = (schema: unknown): Definition => (schema as { _zod: { def: Definition } })._zod.def;

function unwrap(schema: unknown): unknown[] {
  const def = definition(schema);
  if (def.innerType !== undefined) return unwrap(def.innerType);
  if (def.getter !== undefined) return unwrap(def.getter());
  if (def.in !== undefined) return unwrap(def.in);
  if (def.options !== undefined) return def.options.flatMap(unwrap);
  return [schema];
}

function children(schema: unknown, key: PropertyKey): unknown[] {
  const def = definition(schema);
  if (def.element !== undefined) return [def.element];
  const child = shapeOf(schema)[String(key)];
  return child === undefined ? [] : [child];
}

const shapeOf = (schema: unknown): Readonly<Record<string, unknown>> => definition(schema).shape ?? {};

/** The line of the key at a path, or of its nearest parent that is in the file. */
function lineOf(document: Document, path: Path, lines: LineCounter): number | undefined {
  for (let depth = path.length; depth > 0; depth--) {
    const parent = document.getIn(path.slice(0, depth - 1), true) ?? document.contents;
    const key = path[depth - 1];
    if (isMap(parent)) {
      const pair = parent.items.find(
        (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(key),
      );
      if (isScalar(pair?.key) && pair.key.range) return lines.linePos(pair.key.range[0]).line;
    }
    const node = document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return undefined;
}
