import { z } from 'zod';

/** The part of a JSON Schema that these schemas use. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema | boolean;
  readonly prefixItems?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

/** JSON Schema of what a user may write (defaults may be left out); editors complete and check with it. */
export function jsonSchemaOf(schema: z.ZodType, title: string): JsonSchema & { readonly title: string } {
  return { title, ...(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema) };
}

/**
 * A reference of all keys in Markdown: a heading for each section, a row for each key.
 *
 * @param level of the headings
 */
export function referenceOf(schema: JsonSchema, path = '', level = 2): string {
  const entries = Object.entries(schema.properties ?? {});
  const isSection = ([, inner]: readonly [string, JsonSchema]) => sectionOf(inner) !== undefined;
  const rows = entries.map(([key, inner]) => {
    const required = schema.required?.includes(key) === true ? 'required' : shown(inner.default);
    const type = isSection([key, inner]) ? sectionType(inner) : typeOf(inner);
    return `| \`${key}\` | ${cell(type)} | ${cell(required)} | ${cell(inner.description ?? '')} |`;
  });
  const table = ['| key | value | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
  const sections = entries.filter(isSection).map(([key, inner]) => {
    const { schema: own, suffix } = sectionOf(inner) as { schema: JsonSchema; suffix: string };
    const name = `${path === '' ? '' : `${path}.`}${key}${suffix}`;
    return `${'#'.repeat(Math.min(4, level))} \`${name}\`\n\n${referenceOf(own, name, level + 1)}`;
  });
  return [table, ...sections].join('\n\n');
}

/** The object inside a key's schema that deserves a table of its own: itself, a union's member, or a list's item. */
function sectionOf(schema: JsonSchema): { schema: JsonSchema; suffix: string } | undefined {
  if (schema.properties !== undefined) return { schema, suffix: '' };
  if (typeof schema.items === 'object') {
    const inner = sectionOf(schema.items);
    if (inner !== undefined) return { schema: inner.schema, suffix: `.*${inner.suffix}` };
  }
  for (const member of schema.anyOf ?? []) {
    const inner = sectionOf(member);
    if (inner !== undefined) return inner;
  }
  return undefined;
}

function sectionType(schema: JsonSchema): string {
  if (schema.anyOf !== undefined)
    return schema.anyOf.map((s) => (s.properties === undefined ? typeOf(s) : 'a section')).join(' or ');
  return schema.items === undefined ? 'a section, below' : 'a list of sections, below';
}

function typeOf(schema: JsonSchema): string {
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(typeOf))].join(' or ');
  if (schema.enum !== undefined) return schema.enum.map((v) => `\`${String(v)}\``).join(', ');
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.prefixItems !== undefined) return `[${schema.prefixItems.map(typeOf).join(', ')}]`;
  if (typeof schema.items === 'object') return `list of ${typeOf(schema.items)}`;
  const names: Readonly<Record<string, string>> = {
    integer: 'whole number',
    string: 'text',
    boolean: 'true or false',
    object: 'map',
  };
  const name = names[String(schema.type)] ?? String(schema.type ?? 'any');
  return `${name}${range(schema)}`;
}

function range({ type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  if (type !== 'integer' && type !== 'number') return '';
  const isReal = (bound: number | undefined): bound is number =>
    bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  const bounds = [
    isReal(exclusiveMinimum) ? `above ${exclusiveMinimum}` : '',
    isReal(minimum) ? `from ${minimum}` : '',
    isReal(exclusiveMaximum) ? `below ${exclusiveMaximum}` : '',
    isReal(maximum) ? `to ${maximum}` : '',
  ].filter((text) => text !== '');
  return bounds.length === 0 ? '' : ` ${bounds.join(' ')}`;
}

/** Defaults of sections stand in their own tables. */
function shown(value: unknown): string {
  if (value === undefined || (typeof value === 'object' && value !== null && !Array.isArray(value)))
    return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
