import { basename, dirname, relative, resolve } from 'node:path';
import type { NamedArrays } from '../core/arrays.js';
import { WeightsError } from '../core/errors.js';
import { exists } from '../core/files.js';
import { sha256OfFile } from '../core/hash.js';
import { modelFileAt } from './modelPath.js';
import { shippedModel } from './shippedModel.js';

/** The model file that an adapted one was made from; it holds every weight that the adapted one does not. */
export interface BaseModel {
  readonly path: string;
  readonly sha256: string;
}

/** @param model its file, or a folder that holds it @throws WeightsError when there is none */
export async function baseModel(model: string): Promise<BaseModel> {
  const path = resolve(await modelFileAt(model));
  return { path, sha256: await sha256OfFile(path) };
}

/** The reference as an adapted file keeps it: paths from its own folder, so that both may move together. */
export function referenceTo(base: BaseModel, adapted: string): string {
  const path = relative(dirname(resolve(adapted)), base.path);
  return JSON.stringify({ sha256: base.sha256, path, absolute: base.path });
}

/**
 * Finds the base of an adapted file: where it was, beside the adapted file, or the model that is shipped.
 *
 * @param reference what `referenceTo` gave
 * @throws WeightsError when no file with its hash is in any of these places
 */
export async function findBase(reference: string, adapted: string): Promise<string> {
  const { sha256, path, absolute } = JSON.parse(reference) as Record<'sha256' | 'path' | 'absolute', string>;
  const folder = dirname(resolve(adapted));
  const places = [resolve(folder, path), absolute, resolve(folder, basename(absolute)), shippedModel];
  const problems = [];
  for (const place of new Set(places)) {
    if (!(await exists(place))) problems.push({ where: place, message: 'does not exist' });
    else if ((await sha256OfFile(place)) === sha256) return place;
    else problems.push({ where: place, message: 'is another file: its SHA-256 differs' });
  }
  throw new WeightsError(
    `${adapted} holds only what adaptation changed, and the model it was made from is not found`,
    {
      where: adapted,
      problems,
      fix: `put ${basename(absolute)} (SHA-256 ${sha256.slice(0, 12)}...) beside it, or adapt with --merge to get a file that stands alone`,
    },
  );
}

/** Only the arrays that differ from the base, bit for bit. */
export function changedFrom(
  base: NamedArrays,
  adapted: NamedArrays,
): Map<string, NonNullable<ReturnType<NamedArrays['get']>>> {
  return new Map(
    [...adapted].filter(([name, { shape, data }]) => {
      const before = base.get(name);
      if (before === undefined || before.shape.join() !== shape.join()) return true;
      return !data.every((value, i) => Object.is(value, before.data[i]));
    }),
  );
}
