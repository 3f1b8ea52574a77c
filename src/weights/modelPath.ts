import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { WeightsError } from '../core/errors.js';
import { exists } from '../core/files.js';

/** What the folders of runs and adaptations call their model. */
const MODEL_FILE = 'model.safetensors';

/**
 * The file that is meant by a model's path: the path itself, or the model in that folder.
 *
 * @throws WeightsError when nothing is there, or the folder holds no model
 */
export async function modelFileAt(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined)
    throw new WeightsError(`there is no model file or folder ${path}`, {
      where: path,
      fix: 'check the path',
    });
  if (!found.isDirectory()) return path;
  const file = join(path, MODEL_FILE);
  if (await exists(file)) return file;
  throw new WeightsError(`the folder ${path} holds no ${MODEL_FILE}`, {
    where: path,
    fix: `name a model file, the folder of a run that has evaluated at least once, or that of an adaptation`,
  });
}
