import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { CellSam } from '../../src/models/cellsam.js';
import { loadCellSam } from '../../src/segment/loadCellSam.js';
import { baseModel } from '../../src/weights/base.js';
import { openWeights } from '../../src/weights/load.js';
import { saveModelFile } from '../../src/weights/modelFile.js';
import { temporaryFolder } from '../support/temporary.js';
import { tinyConfig } from '../support/tinyModel.js';

test('the folder of a run or an adaptation stands for the model in it', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'model.safetensors');
  const model = CellSam.create(tinyConfig(), new Random('folder'));
  const card = { config: model.config, training: 'none', licence: 'none' };
  await saveModelFile(file, model.toArrays(), card);
  model.dispose();
  const opened = await openWeights(folder);
  await opened.close();
  expect(opened.path).toBe(file);
  (await loadCellSam(folder)).dispose();
  expect(await baseModel(folder)).toEqual(await baseModel(file));

  const adapted = join(temporaryFolder(), 'model.safetensors');
  await saveModelFile(adapted, new Map(), card, { base: await baseModel(folder) });
  (await loadCellSam(join(adapted, '..'))).dispose();
});

test('a folder without a model, and a path with nothing, are each one clear error of the weights', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'checkpoints'));
  await expect(loadCellSam(folder)).rejects.toMatchObject({
    exitCode: 5,
    where: folder,
    message: `the folder ${folder} holds no model.safetensors`,
  });
  const nowhere = join(folder, 'nowhere');
  await expect(openWeights(nowhere)).rejects.toMatchObject({
    exitCode: 5,
    message: `there is no model file or folder ${nowhere}`,
  });
});
