import { join } from 'node:path';
import { sha256 } from '../../src/core/hash.js';
import type { FieldRef } from '../../src/data/formats/format.js';
import { formatNamed } from '../../src/data/formats/formats.js';
import { labelsOf, REWRITES } from './layouts.js';

export interface Comparison {
  readonly layout: string;
  readonly images: number;
  readonly objects: number;
  /** Images whose pixels or label images are not those of the source. */
  readonly different: readonly string[];
}

/**
 * Rewrites a DSB 2018 folder into a layout and reads it back.
 *
 * @param wanted which images
 */
export async function rewriteAndCompare(
  layout: string,
  source: string,
  target: string,
  wanted: (ref: FieldRef, index: number) => boolean,
): Promise<Comparison> {
  const dsb = await formatNamed('dsb2018');
  const refs = (await dsb.list(source)).filter(wanted);
  const rewrite = REWRITES[layout];
  if (rewrite === undefined) throw new Error(`no layout ${layout}`);
  const before = new Map<string, string>();
  let objects = 0;
  const fingerprint = (labels: ReturnType<typeof labelsOf>, hash: string): string =>
    `${hash} ${labels.count} ${Buffer.from(labels.data.buffer).toString('base64')}`;
  async function* read() {
    for (const ref of refs) {
      const sample = await dsb.read(source, ref);
      const labels = labelsOf(sample);
      objects += labels.count;
      before.set(ref.id, sha256(fingerprint(labels, sample.source.contentHash)));
      yield sample;
    }
  }
  const folder = join(target, layout);
  const names = await rewrite.write(folder, read());
  const format = await formatNamed(rewrite.type);
  const listed = new Map((await format.list(folder)).map((ref) => [ref.id, ref]));
  const different: string[] = [];
  for (const [id, name] of names) {
    const ref = listed.get(name);
    const sample = ref && (await format.read(folder, ref));
    const after = sample && sha256(fingerprint(labelsOf(sample), sample.source.contentHash));
    if (after !== before.get(id)) different.push(id);
  }
  return { layout, images: listed.size, objects, different };
}
