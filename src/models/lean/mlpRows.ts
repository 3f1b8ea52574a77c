import {
  accumulate,
  gelu,
  into,
  layerNorm,
  layerNormGradients,
  type Product,
  pipe,
  tf,
} from '../../tf/index.js';
import { joined } from './chunkedAttention.js';

/** Norm, two linear maps with a GELU between, residual; all in TensorFlow's layout. */
export type MlpWeights = {
  readonly normWeight: tf.Tensor;
  readonly normBias: tf.Tensor;
  /** `[D, M]`, `[M]`. */
  readonly weight1: tf.Tensor;
  readonly bias1: tf.Tensor;
  /** `[M, D]`, `[D]`. */
  readonly weight2: tf.Tensor;
  readonly bias2: tf.Tensor;
};

/** Tokens at a time, so that the hidden layer, four times as wide as the tokens, exists in pieces only. */
const ROWS = 1024;

/** `x + mlp(norm(x))`: `[R, D] -> [R, D]`. @param linear multiplies with the matrices */
export function mlpInRows(x: tf.Tensor2D, w: MlpWeights, eps: number, linear: Product): tf.Tensor2D {
  const pieces = rowRanges(x.shape[0]).map(([from, size]) =>
    tf.tidy(() => {
      const rows = x.slice([from, 0], [size, -1]);
      return into(
        layerNorm(rows, w.normWeight, w.normBias, eps),
        (z) => linear(z, w.weight1),
        (h) => h.add(w.bias1),
        gelu,
        (a) => linear(a, w.weight2),
        (y) => y.add(w.bias2),
        (y) => y.add(rows),
      ) as tf.Tensor2D;
    }),
  );
  return joined(pieces, 0);
}

/** Gradients of `mlpInRows` for the input and for those weights that are asked for. */
export function mlpInRowsGradients(
  x: tf.Tensor2D,
  w: MlpWeights,
  eps: number,
  dy: tf.Tensor2D,
  linear: Product,
  isWanted: (weight: keyof MlpWeights) => boolean,
): { readonly x: tf.Tensor2D; readonly weights: Partial<Record<keyof MlpWeights, tf.Tensor>> } {
  const weights: Partial<Record<keyof MlpWeights, tf.Tensor>> = {};
  const add = (name: keyof MlpWeights, make: () => tf.Tensor) => {
    if (isWanted(name)) weights[name] = accumulate(weights[name], make());
  };
  return tf.tidy(() => {
    // Once per call: with few rows a product with a transposed matrix is a fifth slower.
    const [turned1, turned2] = [w.weight1.transpose(), w.weight2.transpose()];
    const pieces = rowRanges(x.shape[0]).map(([from, size]) => {
      const rows = x.slice([from, 0], [size, -1]);
      const d = dy.slice([from, 0], [size, -1]);
      const z = layerNorm(rows, w.normWeight, w.normBias, eps);
      const hidden = into(linear(z, w.weight1), (h) => h.add(w.bias1));
      const { value, slope } = geluWithSlope(hidden);
      hidden.dispose();
      add('weight2', () => linear(value, d, { a: true }));
      add('bias2', () => d.sum(0));
      value.dispose();
      const dHidden = into(linear(d, turned2), (g) => into(slope, (s) => g.mul(s)));
      add('weight1', () => linear(z, dHidden, { a: true }));
      add('bias1', () => dHidden.sum(0));
      z.dispose();
      const g = into(
        into(dHidden, (h) => linear(h, turned1)),
        (dz) => {
          const through = layerNormGradients(rows, w.normWeight, eps, dz);
          add('normWeight', () => through.weight.clone());
          add('normBias', () => through.bias.clone());
          tf.dispose([through.weight, through.bias]);
          return through.x;
        },
        (dx) => dx.add(d),
      );
      tf.dispose([rows, d]);
      return g as tf.Tensor2D;
    });
    return { x: joined(pieces, 0), weights: { ...weights } };
  });
}

/** `gelu(h)` and its derivative `F(h) + h f(h)`, with the normal distribution F and density f. */
function geluWithSlope(h: tf.Tensor): { readonly value: tf.Tensor; readonly slope: tf.Tensor } {
  const below = pipe(
    h,
    (x) => x.mul(Math.SQRT1_2),
    (x) => x.erf(),
    (x) => x.add(1),
    (x) => x.mul(0.5),
  );
  const slope = pipe(
    h,
    (x) => x.square(),
    (x) => x.mul(-0.5),
    (x) => x.exp(),
    (x) => x.mul(1 / Math.sqrt(2 * Math.PI)),
    (x) => x.mul(h),
    (x) => x.add(below),
  );
  return { value: into(below, (b) => b.mul(h)), slope };
}

const rowRanges = (rows: number): [number, number][] =>
  Array.from({ length: Math.ceil(rows / ROWS) }, (_, i) => [i * ROWS, Math.min(ROWS, rows - i * ROWS)]);
