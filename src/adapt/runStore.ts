import { join } from 'node:path';
import { readTextIfThere, writeFileAtomic } from '../core/files.js';
import type { FewshotRun, RunStore } from './fewshot.js';

/**
 * Finished adaptations as files in a folder.
 *
 * @param key of everything that they depend on besides the number of images and the seed: others' files are not taken for them
 */
export function runStore(folder: string, key: string): RunStore {
  const pathOf = (shots: number, seed: number) =>
    join(folder, `${key}-${shots}-images-seed-${seed + 1}.json`);
  return {
    find: async (shots, seed) => {
      const text = await readTextIfThere(pathOf(shots, seed));
      return text === undefined ? undefined : (JSON.parse(text) as FewshotRun);
    },
    keep: (run) => writeFileAtomic(pathOf(run.shots, run.seed), `${JSON.stringify(run, null, 2)}\n`),
  };
}
