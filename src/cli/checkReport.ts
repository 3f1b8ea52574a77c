import type { CheckResult } from '../jobs/check.js';

/** Sizes of images that are listed before the rest is counted. */
const SIZES_SHOWN = 4;

/** What `cellsam check` prints. */
export function checkReport(result: CheckResult): string {
  const { problems, fixed } = result;
  return [
    ...table(result),
    '',
    ...problems.map(({ where, message }) => `  ${where}: ${message}`),
    ...byKind(result),
    ...(problems.length === 0 ? ['No problems.'] : []),
    ...(result.gives === 'masks' ? [] : [teaches(result.gives)]),
    ...(fixed === undefined ? [] : [`Corrected copy of ${fixed.images} images in ${fixed.root}.`]),
    'For a config:',
    dataBlock(fixed ?? { type: result.type, root: result.folder, options: result.options }),
  ].join('\n');
}

function table({ parts, images, objects }: CheckResult): string[] {
  const rows = [
    ['set', 'part', 'images', 'objects', 'sizes', 'channels', 'bits', 'object area 5, 25, 50, 75, 95 %'],
    ...parts.map((part) => [
      part.set,
      part.part,
      String(part.images),
      String(part.objects),
      shortened(part.sizes),
      part.channels.join(' or '),
      part.bits.join(' or '),
      part.areas?.map(Math.round).join(', ') ?? '-',
    ]),
  ];
  if (parts.length > 1) rows.push(['', 'total', String(images), String(objects), '', '', '', '']);
  const widths = (rows[0] as string[]).map((_, k) =>
    Math.max(...rows.map((row) => (row[k] as string).length)),
  );
  return rows.map((row) =>
    row
      .map((cell, k) => cell.padEnd(widths[k] as number))
      .join('  ')
      .trimEnd(),
  );
}

function shortened(sizes: readonly string[]): string {
  const more = sizes.length - SIZES_SHOWN;
  return sizes.slice(0, SIZES_SHOWN).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** One line for each kind of problem: how many, and what a corrected copy does about it. */
function byKind({ problems, repairs }: CheckResult): string[] {
  const counts = new Map<string, number>();
  for (const { kind } of problems) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${count} ${kind}; with --fix: ${repairs[kind]}`);
}

const teaches = (gives: 'boxes' | 'points'): string =>
  gives === 'boxes'
    ? 'It has boxes only: it trains the detector (train.stage: detector), not the masks.'
    : 'It has points only: nothing is trained on them.';

function dataBlock(data: {
  readonly type: string;
  readonly root: string;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly splitFile?: string;
}): string {
  const options = Object.entries(data.options ?? {});
  return [
    'data:',
    `  type: ${data.type}`,
    `  root: ${data.root}`,
    ...(data.splitFile === undefined ? [] : [`  splitFile: ${data.splitFile}`]),
    ...(options.length === 0 ? [] : ['  options:']),
    ...options.map(([key, value]) => `    ${key}: ${JSON.stringify(value)}`),
  ].join('\n');
}
