import { loadModelFile, saveModelFile } from '../src/weights/modelFile.js';

/** Stores the model of a training run in half precision: `node dist/scripts/ship.js <run>/model.safetensors <target>`. */
const [source, target] = process.argv.slice(2);
if (source === undefined || target === undefined) {
  console.error('usage: node dist/scripts/ship.js <run>/model.safetensors <target>');
  process.exitCode = 2;
} else {
  const { model, card } = await loadModelFile(source);
  await saveModelFile(target, model.toArrays(), card, true);
  model.dispose();
}
