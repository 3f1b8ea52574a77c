import { DataError, type ErrorDetails } from '../../core/errors.js';
import type { FieldRef } from './format.js';

/** A folder with files that lack their partners; `refs` are the fields that are complete all the same. */
export class IncompleteError extends DataError {
  readonly refs: readonly FieldRef[];

  constructor(message: string, details: ErrorDetails, refs: readonly FieldRef[]) {
    super(message, details);
    this.name = DataError.name; // told to the user as what it is: a problem of the data
    this.refs = refs;
  }
}
