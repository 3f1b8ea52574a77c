import { join } from 'node:path';
import { boxesOf, relabel } from '../../image/labels.js';
import type { LabelImage } from '../../image/types.js';
import { decodeFile, IMAGE_FILE } from '../../io/decode.js';
import type { Field } from '../fields.js';
import { UNLABELLED } from '../formats/beside.js';
import { toIds } from '../readImage.js';
import type { Sample } from '../sample.js';
import { examineMask, type MaskReport, withoutThin } from './examineMask.js';
import type { Finding } from './finding.js';

/** Everything that is wrong with one sample, and the sample as it should be. */
export interface Examined {
  readonly findings: readonly Finding[];
  /** Undefined for one to be left out. */
  readonly repaired: Sample | undefined;
}

/** Looks at one sample and, where its layout has one, at its mask file. */
export async function examine(field: Field, sample: Sample): Promise<Examined> {
  const where = field.id;
  const findings: Finding[] = sample.warnings.map((message) => ({
    kind: message === UNLABELLED ? 'unlabelled' : 'reading',
    where,
    message,
  }));
  const { instances } = sample;
  if (instances.kind === 'none') {
    if (findings.length === 0) findings.push({ kind: 'unlabelled', where, message: UNLABELLED });
    return { findings, repaired: undefined };
  }
  if (instances.kind !== 'labels') return { findings, repaired: sample };
  const mask = await maskReport(field, instances.labels);
  findings.push(...mask.findings);
  let labels = mask.repaired ?? instances.labels;
  if (labels.count === 0 && !sample.warnings.some((message) => message.startsWith('has no cells')))
    findings.push({ kind: 'emptyMask', where, message: 'has no objects: is it unlabelled?' });
  const thin = thinObjects(labels);
  for (const [id, at] of thin)
    findings.push({
      kind: 'thinObject',
      where,
      message: `object ${id} at (${at.join(', ')}) is one pixel wide`,
    });
  if (thin.size > 0) labels = withoutThin(labels, new Set(thin.keys()));
  const isOut = mask.findings.some(({ kind }) => kind === 'lossyMask');
  const changed = { ...sample, instances: { kind: 'labels' as const, labels }, objectCount: labels.count };
  return { findings, repaired: isOut ? undefined : labels === instances.labels ? sample : changed };
}

async function maskReport({ source, id }: Field, labels: LabelImage): Promise<MaskReport> {
  if (!('ref' in source) || source.type !== 'maskPairs') return { findings: [] };
  const file = source.ref.files.at(-1) as string;
  const { objects = 'ids', variable, values } = source.options;
  if (!IMAGE_FILE.test(file) || variable !== undefined || values !== undefined) return { findings: [] };
  const raw = await decodeFile(join(source.root, file));
  const asIds =
    objects === 'ids' ? labels : relabel(toIds(raw, file, undefined), labels.height, labels.width).labels;
  const report = examineMask(raw, file, asIds);
  const findings = report.findings.map((finding) => ({ ...finding, where: `${id} (${file})` }));
  if (objects === 'ids') return { ...report, findings };
  // What an object is has been chosen: what was found is told, the labels stay.
  const chosen = `; read with \`objects: ${objects}\`, ${labels.count} objects`;
  return {
    findings: findings.map((finding) =>
      finding.kind === 'binaryMask'
        ? { ...finding, kind: 'classMask', message: finding.message.replace(/\? With .*$/, chosen) }
        : finding,
    ),
  };
}

/** Ids of objects that are one pixel wide or high, with the corner of their box. */
function thinObjects(labels: LabelImage): Map<number, readonly [x: number, y: number]> {
  const { xyxy } = boxesOf(labels);
  const thin = new Map<number, readonly [number, number]>();
  for (let i = 0; i < labels.count; i++) {
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = xyxy.subarray(i * 4, i * 4 + 4);
    if (x1 - x0 <= 1 || y1 - y0 <= 1) thin.set(i + 1, [x0, y0]);
  }
  return thin;
}
