import type { Problem } from '../../core/errors.js';

/** What can be wrong with a dataset, what it does to training, and what `--fix` does about it. */
export const FINDINGS = {
  unpaired: { isError: true, repair: 'left out' },
  unreadable: { isError: true, repair: 'left out' },
  binaryMask: { isError: true, repair: 'each connected piece becomes an object' },
  colourMask: { isError: true, repair: 'each connected piece of one colour becomes an object' },
  wrappedIds: { isError: true, repair: 'each connected piece of one id becomes an object' },
  lossyMask: { isError: true, repair: 'left out' },
  duplicateAcrossParts: {
    isError: true,
    repair: 'kept in the part that is for testing, left out of the other',
  },
  brokenSplit: { isError: true, repair: 'none: correct the split file' },
  duplicate: { isError: false, repair: 'the first is kept' },
  floatLabels: { isError: false, repair: 'stored as whole numbers' },
  classMask: { isError: false, repair: 'each object gets an id of its own' },
  emptyMask: { isError: false, repair: 'none: an image without objects may be right' },
  unlabelled: { isError: false, repair: 'left out' },
  thinObject: { isError: false, repair: 'removed from the mask' },
  reading: { isError: false, repair: 'as it says' },
} as const;

export type FindingKind = keyof typeof FINDINGS;

/** One problem of a dataset, with its file. */
export interface Finding extends Problem {
  readonly kind: FindingKind;
  readonly where: string;
}

/** True for findings that make training wrong or impossible, as against those worth a look. */
export const isError = ({ kind }: Finding): boolean => FINDINGS[kind].isError;

/** What a corrected copy does about it. */
export const repairOf = (kind: FindingKind): string => FINDINGS[kind].repair;
