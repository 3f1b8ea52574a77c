import { readdir } from 'node:fs/promises';
import { z } from 'zod';
import { parseOptions } from '../config/arguments.js';
import { loadConfig } from '../config/load.js';
import { CellsamError, OutputError, throwIfAborted } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { type CopiedData, CorrectedCopy } from '../data/check/correctedCopy.js';
import { examine } from '../data/check/examine.js';
import { type Finding, isError, repairOf } from '../data/check/finding.js';
import { type PartSummary, PartTable } from '../data/check/partTable.js';
import { type Part, survey } from '../data/check/survey.js';
import { readField } from '../data/fields.js';
import { FORMAT_NAMES, type FormatName, formatDefinition } from '../data/formats/formats.js';
import { recogniseLayout } from '../data/formats/recognise.js';
import { DATA_PATHS, type DataOptions, dataOptions, setsOf } from '../data/options.js';

export const checkJobOptions = z.strictObject({
  folder: z.string().describe('folder of the dataset, or a configuration with a `data` part'),
  type: z.enum(FORMAT_NAMES).optional().describe('layout; recognised from the files when absent'),
  options: z.record(z.string(), z.unknown()).optional().describe('options of the layout'),
  overrides: z.array(z.string()).default([]).describe('key.sub=value, replaces what the configuration says'),
  fix: z.string().optional().describe('new folder for a corrected copy; the source is not touched'),
});

export interface CheckResult {
  readonly folder: string;
  /** Of the first set. */
  readonly type: FormatName | 'simulated';
  /** What the layout needs under `data.options`. */
  readonly options: Readonly<Record<string, unknown>>;
  /** What the first set can teach. */
  readonly gives: 'masks' | 'boxes' | 'points';
  readonly images: number;
  readonly objects: number;
  readonly parts: readonly PartSummary[];
  readonly problems: readonly Finding[];
  /** Those of the problems that make training wrong or impossible. */
  readonly errors: number;
  /** What a corrected copy does about each kind of problem that was found. */
  readonly repairs: Readonly<Record<string, string>>;
  /** What was written with `fix`. */
  readonly fixed?: CopiedData & { readonly images: number };
}

/** Reads whole datasets and tells what is in them and everything that is wrong. @throws DataError for an unknown layout, UsageError for wrong options */
export async function check(
  given: z.input<typeof checkJobOptions>,
  context: JobContext,
): Promise<CheckResult> {
  const options = parseOptions(checkJobOptions, given, 'the check');
  const isConfig = /\.ya?ml$/i.test(options.folder);
  const { data, folder } = isConfig ? await fromConfig(options) : await fromFolder(options);
  const { parts, findings } = await survey(data, folder, isConfig);
  const copy = options.fix === undefined ? undefined : await newCopy(options.fix);
  const problems: Finding[] = [...findings];
  const tables: PartSummary[] = [];
  const seen = new Map<string, { id: string; part: Part }>();
  const total = parts.reduce((sum, { fields }) => sum + fields.length, 0);
  let done = 0;
  for (const part of parts) {
    const table = new PartTable();
    for (const field of part.fields) {
      throwIfAborted(context.signal);
      context.emit({ kind: 'progress', done: ++done, total, unit: 'images', detail: 'reading' });
      try {
        const sample = await readField(field);
        table.add(sample);
        const examined = await examine(field, sample);
        const twin = seen.get(sample.source.contentHash);
        seen.set(sample.source.contentHash, twin ?? { id: field.id, part });
        problems.push(...examined.findings, ...(twin === undefined ? [] : [duplicate(field.id, part, twin)]));
        if (copy !== undefined && examined.repaired !== undefined && twin === undefined)
          await copy.add(field, examined.repaired, part.part);
      } catch (thrown) {
        if (!(thrown instanceof CellsamError) || thrown instanceof OutputError) throw thrown;
        problems.push({ kind: 'unreadable', where: thrown.where ?? field.id, message: thrown.message });
      }
    }
    tables.push(table.summary(part.set, part.part));
  }
  const [first] = setsOf(data);
  const type = first?.type as CheckResult['type'];
  const sum = (key: 'images' | 'objects') => tables.reduce((all, table) => all + table[key], 0);
  return {
    folder: first?.root ?? options.folder,
    type,
    options: first?.options ?? {},
    gives: type === 'simulated' ? 'masks' : (await formatDefinition(type)).gives,
    images: sum('images'),
    objects: sum('objects'),
    parts: tables,
    problems,
    errors: problems.filter(isError).length,
    repairs: Object.fromEntries(problems.map(({ kind }) => [kind, repairOf(kind)])),
    ...(copy && { fixed: { ...(await copy.close()), images: copy.images } }),
  };
}

type Options = z.infer<typeof checkJobOptions>;

async function fromConfig(options: Options): Promise<{ data: DataOptions; folder: string }> {
  const schema = z.looseObject({ data: dataOptions });
  const paths = DATA_PATHS.map((key) => `data.${key}`);
  const { config, folder } = await loadConfig(schema, options.folder, options.overrides, paths);
  return { data: config.data, folder };
}

async function fromFolder(options: Options): Promise<{ data: DataOptions; folder: string }> {
  const { folder: root, type } = options;
  const layout = type === undefined ? await recogniseLayout(root) : { type, options: {} };
  const own = { ...layout.options, ...options.options };
  return { data: dataOptions.parse({ type: layout.type, root, options: own }), folder: '.' };
}

function duplicate(id: string, part: Part, twin: { id: string; part: Part }): Finding {
  const isAcross = twin.part.part !== part.part;
  const parts = isAcross ? ` (this in ${part.part}, that in ${twin.part.part})` : '';
  return {
    kind: isAcross ? 'duplicateAcrossParts' : 'duplicate',
    where: id,
    message: `has the same pixels as ${twin.id}${parts}`,
  };
}

async function newCopy(folder: string): Promise<CorrectedCopy> {
  const there = await readdir(folder).catch(() => []);
  if (there.length > 0)
    throw new OutputError(`${folder} is not empty`, { where: folder, fix: 'choose a new folder with --fix' });
  return new CorrectedCopy(folder);
}
