import { CellsamError, type Problem } from '../../core/errors.js';
import { type Field, listFields } from '../fields.js';
import { type DataOptions, setsOf } from '../options.js';
import { divide, type Split } from '../split.js';
import type { Finding } from './finding.js';

/** The fields of one part of one set. */
export interface Part {
  readonly set: string;
  readonly part: Split | 'all';
  readonly fields: readonly Field[];
}

/**
 * Lists the sets of a configuration, going on where files lack their partners. Parts for testing come first, so that of
 * duplicates theirs is the one that is kept.
 *
 * @param isDivided whether the sets are divided as for training, or only where their own files say so
 */
export async function survey(
  data: DataOptions,
  folder: string,
  isDivided: boolean,
): Promise<{ readonly parts: readonly Part[]; readonly findings: readonly Finding[] }> {
  const findings: Finding[] = [];
  const parts: Part[] = [];
  const sets = setsOf(data);
  for (const [index, set] of sets.entries()) {
    const listed = await listFields(set, index, folder, sets.length > 1, ({ problems }) =>
      findings.push(...problems.map((problem) => asFinding('unpaired', problem))),
    );
    const { name, fields } = listed;
    const own = fields.some(({ source }) => 'ref' in source && source.ref.split !== undefined);
    if (!isDivided && !own) {
      parts.push({ set: name, part: 'all', fields });
      continue;
    }
    try {
      const divided = await divide(fields, set, folder);
      for (const part of ['heldout', 'val', 'train'] as const)
        parts.push({ set: name, part, fields: divided[part] });
    } catch (thrown) {
      if (!(thrown instanceof CellsamError)) throw thrown;
      const problems = thrown.problems.length > 0 ? thrown.problems : [thrown];
      findings.push(...problems.map((problem) => asFinding('brokenSplit', problem as Problem)));
      parts.push({ set: name, part: 'all', fields });
    }
  }
  return { parts, findings };
}

const asFinding = (kind: Finding['kind'], { where = '', message }: Problem): Finding => ({
  kind,
  where,
  message,
});
