import type { NamedArray } from '../../src/core/arrays.js';

export interface Verdict {
  readonly ok: boolean;
  readonly absolute: number;
  /** Of the expected tensor's largest magnitude, or each entry's own where the rule is per entry. */
  readonly relative: number;
  readonly note: string;
}

type Rule = { readonly tolerance: string; readonly perEntry: boolean };

/** Which tolerance applies follows from the key. */
const RULES: readonly (readonly [RegExp, Rule])[] = [
  [/^out\.match\.\d+\.|topk\.labels$|^out\.cellfinder\.mask$/, { tolerance: 'exact', perEntry: true }],
  [/^out\.loss\./, { tolerance: 'loss', perEntry: true }],
  [/^out\.gradnorm\./, { tolerance: 'gradient', perEntry: true }],
  [/^out\.grad\./, { tolerance: 'gradient', perEntry: false }],
  [/^out\.trajectory\.change\./, { tolerance: 'change', perEntry: false }],
  [/^out\.trajectory\.weights\./, { tolerance: 'trajectory', perEntry: false }],
  [/^out\.trajectory\./, { tolerance: 'trajectory', perEntry: true }],
  [/./, { tolerance: 'forward', perEntry: false }],
];

export function comparison(
  name: string,
  expected: NamedArray,
  actual: { readonly shape: readonly number[]; readonly data: ArrayLike<number> } | undefined,
  tolerances: Readonly<Record<string, number>>,
): Verdict {
  const missing = { ok: false, absolute: Number.NaN, relative: Number.NaN };
  if (actual === undefined) return { ...missing, note: '  not computed' };
  if (actual.shape.join() !== expected.shape.join()) {
    return {
      ...missing,
      note: `  shape [${actual.shape.join(', ')}], expected [${expected.shape.join(', ')}]`,
    };
  }
  const rule = RULES.find(([pattern]) => pattern.test(name))?.[1] as Rule;
  const limit = tolerances[rule.tolerance] ?? 0;
  const largest = Array.from(expected.data, Number).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  let absolute = 0;
  let relative = 0;
  for (let i = 0; i < expected.data.length; i++) {
    const e = Number(expected.data[i]);
    const difference = Math.abs(Number(actual.data[i]) - e);
    const scale = rule.perEntry ? Math.abs(e) : largest;
    absolute = difference > absolute || Number.isNaN(difference) ? difference : absolute;
    const share = difference === 0 ? 0 : difference / Math.max(scale, 1e-30);
    relative = share > relative || Number.isNaN(share) ? share : relative;
  }
  return { ok: relative <= limit, absolute, relative, note: '' };
}
