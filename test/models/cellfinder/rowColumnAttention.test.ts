import { expect, test } from '@jest/globals';
import { averagedKeys, rowColumnAttention } from '../../../src/models/cellfinder/rcda.js';
import { Parameters } from '../../../src/models/parameters.js';
import { tf } from '../../../src/tf/index.js';

test.each([
  [3, 5],
  [5, 3],
  [4, 4],
])('on %i rows and %i columns each query mixes values by its row and column weights', (h, w) => {
  const [e, heads, hd, q] = [8, 2, 4, 6];
  const before = tf.memory().numTensors;
  const parameters = new Parameters();
  parameters.add('in_proj_weight', tf.randomNormal([e, 5 * e], 0, 0.5, 'float32', 1));
  parameters.add('in_proj_bias', tf.randomNormal([5 * e], 0, 0.5, 'float32', 2));
  parameters.add('out_proj.weight', tf.eye(e));
  parameters.add('out_proj.bias', tf.zeros([e]));
  tf.tidy(() => {
    const draw = (shape: number[], seed: number) => tf.randomNormal(shape, 0, 1, 'float32', seed);
    const [queryRow, queryColumn] = [draw([1, q, e], 3), draw([1, q, e], 4)];
    const [keyRow, keyColumn, value] = [draw([1, h, w, e], 5), draw([1, h, w, e], 6), draw([1, h, w, e], 7)];
    const padded = Array.from({ length: h * w }, (_, i) => i % w === w - 1);
    const padding = tf.tensor3d(padded, [1, h, w], 'bool');
    const nowhere = tf.zeros([1, 1, 1, e]);
    const keys = {
      keyRow: averagedKeys(keyRow as tf.Tensor4D, nowhere, nowhere).row,
      keyColumn: averagedKeys(keyColumn as tf.Tensor4D, nowhere, nowhere).column,
    };
    const inputs = { queryRow, queryColumn, ...keys, value, padding };
    const actual = rowColumnAttention(inputs, parameters, heads).dataSync();

    const part = (x: tf.Tensor, i: number) =>
      tf
        .matMul(x.reshape([-1, e]), parameters.get('in_proj_weight').slice([0, i * e], [e, e]))
        .add(parameters.get('in_proj_bias').slice([i * e], [e]))
        .arraySync() as number[][];
    const [qr, qc, kr, kc, v] = [queryRow, queryColumn, keyRow, keyColumn, value].map(part) as number[][][];
    const at = (rows: number[][] | undefined, i: number, c: number) => rows?.[i]?.[c] ?? Number.NaN;
    const mean = (n: number, f: (i: number) => number) =>
      Array.from({ length: n }, (_, i) => f(i)).reduce((a, b) => a + b, 0) / n;
    const softmax = (s: number[]) => s.map((x) => Math.exp(x) / s.reduce((a, b) => a + Math.exp(b), 0));
    for (let i = 0; i < q; i++) {
      for (let c = 0; c < e; c++) {
        const head = Math.floor(c / hd) * hd;
        const dot = (query: number[][] | undefined, key: (channel: number) => number) =>
          Array.from({ length: hd }, (_, d) => at(query, i, head + d) * key(head + d)).reduce(
            (a, b) => a + b,
          ) / Math.sqrt(hd);
        const alongX = softmax(
          Array.from({ length: w }, (_, x) =>
            x === w - 1 ? -1e9 : dot(qr, (d) => mean(h, (y) => at(kr, y * w + x, d))),
          ),
        );
        const alongY = softmax(
          Array.from({ length: h }, (_, y) => dot(qc, (d) => mean(w, (x) => at(kc, y * w + x, d)))),
        );
        let expected = 0;
        for (let y = 0; y < h; y++)
          for (let x = 0; x < w; x++) expected += (alongY[y] ?? 0) * (alongX[x] ?? 0) * at(v, y * w + x, c);
        expect(actual[i * e + c]).toBeCloseTo(expected, 4);
      }
    }
  });
  parameters.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
