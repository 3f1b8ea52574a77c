import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { toOnnx } from '../../src/export/onnx/convert.js';
import { writeOnnx } from '../../src/export/onnx/write.js';
import { type Program, traceProgram } from '../../src/graph/trace/trace.js';
import { groupNorm } from '../../src/models/linear.js';
import { Parameters } from '../../src/models/parameters.js';
import { OnnxSession } from '../../src/segment/engines/onnxSession.js';
import { tf } from '../../src/tf/index.js';

const [SIDE, CHANNELS, GROUPS, EPS] = [256, 8, 2, 1e-5];
const SIZE = CHANNELS / GROUPS;

/** The norm in double precision, without weight and bias. */
function inDoubles(x: Float32Array): Float64Array {
  const out = new Float64Array(x.length);
  const count = (x.length / CHANNELS) * SIZE;
  for (let group = 0; group < GROUPS; group++) {
    const each = (f: (value: number, at: number) => void) => {
      for (let pixel = 0; pixel < x.length; pixel += CHANNELS)
        for (let at = pixel + group * SIZE; at < pixel + (group + 1) * SIZE; at++) f(x[at] as number, at);
    };
    let [mean, variance] = [0, 0];
    each((value) => {
      mean += value / count;
    });
    each((value) => {
      variance += (value - mean) ** 2 / count;
    });
    each((value, at) => {
      out[at] = (value - mean) / Math.sqrt(variance + EPS);
    });
  }
  return out;
}

function relative(found: ArrayLike<number>, wanted: Float64Array): number {
  let [largest, magnitude] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    const value = wanted[i] as number;
    largest = Math.max(largest, Math.abs((found[i] as number) - value));
    magnitude = Math.max(magnitude, Math.abs(value));
  }
  return largest / magnitude;
}

const random = new Random('group norm');
test.each([
  [
    'a dark background with some bright pixels',
    () => (random.uniform(0, 1) < 0.9 ? -1.7 : random.uniform(-1.7, 0.3)),
  ],
  ['a mean far above the deviation', () => random.uniform(-1.75, -1.65)],
])('%s: group norm is exact over a large map, live and in ONNX Runtime', async (_, draw) => {
  const data = Float32Array.from({ length: SIDE * SIDE * CHANNELS }, draw);
  const wanted = inDoubles(data);
  const weights = new Parameters();
  weights.add('norm.weight', tf.ones([CHANNELS]));
  weights.add('norm.bias', tf.zeros([CHANNELS]));
  const norm = (x: tf.Tensor) => groupNorm(x as tf.Tensor4D, weights, 'norm', GROUPS, EPS);
  const shape = [1, SIDE, SIDE, CHANNELS];
  const live = tf.tidy(() => norm(tf.tensor(data, shape)).dataSync());
  expect(relative(live, wanted)).toBeLessThan(2e-5);

  const program: Program = {
    name: 'norm',
    about: '',
    symbols: { B: { dim: ['x', 0] } },
    sizes: [{ B: 2 }, { B: 3 }, { B: 5 }],
    inputs: ({ B = 1 }) => ({ x: tf.zeros([B, ...shape.slice(1)]) }),
    run: ({ x }) => ({ y: norm(x as tf.Tensor) }),
    weightNames: new Map(),
  };
  const folder = mkdtempSync(join(tmpdir(), 'group-norm-'));
  try {
    const path = join(folder, 'norm.onnx');
    await writeOnnx(toOnnx(traceProgram(program), 17), path);
    const session = await OnnxSession.open(path);
    const { y } = await session.run({ x: { shape, dtype: 'float32', data } });
    expect(relative(y?.data as Float32Array, wanted)).toBeLessThan(5e-5);
    await session.dispose();
  } finally {
    rmSync(folder, { recursive: true });
    weights.dispose();
  }
});
