/**
 * What `train.bfloat16` gains and costs: a training step of vit_b's encoder at 1024 x 1024 in bfloat16 and in float32,
 * alternating, each in a process of its own; then how far loss and gradients are apart on the same weights and image.
 *
 *   npm run bench -- bfloat16              # 3 pairs
 *   npm run bench -- bfloat16 --pairs 5
 */
import { fileURLToPath } from 'node:url';
import { preset } from '../src/models/presets.js';
import { bfloat16Obstacle, tf } from '../src/tf/index.js';
import { encoderStep, forwardGflop } from './support/encoder.js';
import { option } from './support/measure.js';
import { ours, pairs } from './support/pairs.js';

const config = preset('vit_b').vit;

/** Euclidean norm over all tensors, of their differences where there are two sets. */
function norm(tensors: ReadonlyMap<string, tf.Tensor>, others?: ReadonlyMap<string, tf.Tensor>): number {
  let sum = 0;
  for (const [name, tensor] of tensors)
    sum += tf.tidy(() => {
      const other = others?.get(name);
      return (other === undefined ? tensor : tensor.sub(other)).square().sum().dataSync()[0] as number;
    });
  return Math.sqrt(sum);
}

function printErrors(): void {
  const { gradients } = encoderStep(config);
  const [exact, rounded] = [gradients(false), gradients(true)];
  const each = [...exact.grads].map(([name, gradient]) => {
    const own = new Map([[name, gradient]]);
    return { name, error: norm(own, rounded.grads) / norm(own) };
  });
  each.sort((a, b) => b.error - a.error);
  const middle = each[Math.floor(each.length / 2)]?.error ?? 0;
  console.log(`loss: ${Math.abs(rounded.loss / exact.loss - 1).toExponential(1)} of itself apart`);
  console.log(
    `gradients: all together ${(norm(exact.grads, rounded.grads) / norm(exact.grads)).toExponential(1)} of their norm apart; by weight, median ${middle.toExponential(1)}`,
  );
  for (const { name, error } of each.slice(0, 5)) console.log(`  ${error.toExponential(1)} ${name}`);
}

const obstacle = bfloat16Obstacle();
if (obstacle !== undefined) console.log(`not measured: ${obstacle}`);
else {
  const train = fileURLToPath(new URL('./train.js', import.meta.url));
  pairs(
    option('pairs', 3),
    { ours: () => ours(train, ['--bfloat16']), theirs: () => ours(train, []) },
    3 * forwardGflop(config),
    ['bfloat16', 'float32'],
  );
  printErrors();
}
