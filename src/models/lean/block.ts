import {
  into,
  jointOp,
  layerNorm,
  layerNormGradients,
  noTape,
  type Product,
  product,
  tf,
} from '../../tf/index.js';
import type { VitConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import { relativeTable } from '../sam/attention.js';
import { type MlpWeights, mlpInRows, mlpInRowsGradients } from './mlpRows.js';
import type { RelativeTables } from './relativeTerms.js';
import { attendWindows, attendWindowsGradients } from './windowAttention.js';
import { fromWindows, toWindows, type WindowGrid, windowGrid } from './windows.js';

type T2 = tf.Tensor2D;
type T3 = tf.Tensor3D;

/**
 * A ViT block whose backward pass is written out: same values as `block`, but it keeps its input and the attention's result
 * instead of some sixty tensors. The rest is made again, which is cheap: a tenth of a block's products. The attention's
 * result is kept, for its forward pass would cost as much as all of these.
 *
 * @param x `[B, h, w, D]` @param window 0 for global attention
 */
export function leanBlock(x: tf.Tensor4D, weights: Weights, config: VitConfig, window: number): tf.Tensor4D {
  const plan = weights.plan?.();
  const [batch, height, width] = x.shape;
  const grid = windowGrid(batch, height, width, window);
  const half = halves(weights, config, grid, plan?.linear ?? product);
  const isMoving = plan !== undefined && !plan.constants.has(x);
  if (plan === undefined || (plan.names.size === 0 && !isMoving)) {
    const y = noTape(() => tf.tidy(() => half.forward(x, half.tables()).y.reshape(x.shape))) as tf.Tensor4D;
    plan?.constants.add(y);
    return y;
  }
  const tables = half.tables(); // on the tape: TensorFlow.js takes the gradient of the small tables
  const inputs: Record<string, tf.Tensor> = isMoving ? { x } : {};
  for (const name of plan.names) if (!name.startsWith('attn.rel_pos')) inputs[name] = weights.get(name);
  if (tables !== undefined && plan.names.has('attn.rel_pos_h')) inputs['rows'] = tables.rows;
  if (tables !== undefined && plan.names.has('attn.rel_pos_w')) inputs['columns'] = tables.columns;
  return jointOp(
    inputs,
    (save) =>
      tf.tidy(() => {
        const { y, saved } = half.forward(x, tables);
        save([x, ...saved, ...(tables === undefined ? [] : [tables.rows, tables.columns])]);
        return y.reshape(x.shape) as tf.Tensor4D;
      }),
    (dys, saved) => half.backward(dys[0] as tf.Tensor4D, saved, new Set(Object.keys(inputs))),
  );
}

/** Both passes of a block over its weights; what is kept besides the input is `[out, logSum]`. */
function halves(weights: Weights, config: VitConfig, grid: WindowGrid, linear: Product) {
  const dim = config.embedDim;
  const [heads, eps] = [config.numHeads, config.layerNormEps];
  const mlp: MlpWeights = {
    normWeight: weights.get('norm2.weight'),
    normBias: weights.get('norm2.bias'),
    weight1: weights.get('mlp.lin1.weight'),
    bias1: weights.get('mlp.lin1.bias'),
    weight2: weights.get('mlp.lin2.weight'),
    bias2: weights.get('mlp.lin2.bias'),
  };
  const projection = weights.get('attn.proj.weight') as T2;
  const joint = weights.get('attn.qkv.weight') as T2;

  const normed = (rows: tf.Tensor): T3 =>
    into(layerNorm(rows, weights.get('norm1.weight'), weights.get('norm1.bias'), eps), (y) =>
      toWindows(y, grid),
    ) as T3;

  /** `[windows, 3, heads, hd, tokens]`: channels first, so that heads need no transposition. */
  const queriesKeysValues = (rows: tf.Tensor): tf.Tensor5D =>
    into(
      normed(rows),
      (z) => perWindow(linear, joint, z, { a: true, b: true }),
      (y) =>
        weights.has('attn.qkv.bias')
          ? y.add(weights.get('attn.qkv.bias').reshape([1, 3 * dim, 1]))
          : y.clone(),
      (y) => y.reshape([grid.count, 3, heads, dim / heads, grid.tokens]),
    ) as tf.Tensor5D;

  /** The tokens between the block's halves. */
  const halfWay = (rows: tf.Tensor, out: T3): T2 =>
    into(
      perWindow(linear, out, projection, { a: true }),
      (y) => fromWindows(y, grid),
      (y) => y.add(weights.get('attn.proj.bias')),
      (y) => y.add(rows),
    ) as T2;

  return {
    tables(): RelativeTables | undefined {
      if (!weights.has('attn.rel_pos_h')) return undefined;
      return {
        rows: relativeTable(weights.get('attn.rel_pos_h'), grid.windowHeight),
        columns: relativeTable(weights.get('attn.rel_pos_w'), grid.windowWidth),
      };
    },

    forward(x: tf.Tensor4D, tables: RelativeTables | undefined): { y: T2; saved: tf.Tensor[] } {
      const rows = x.reshape([-1, dim]) as T2;
      const qkv = queriesKeysValues(rows);
      const { out, logSum } = attendWindows(qkv, tables, grid);
      qkv.dispose();
      const y = into(halfWay(rows, out), (middle) => mlpInRows(middle as T2, mlp, eps, linear)) as T2;
      return { y, saved: [out, logSum] };
    },

    backward(dy: tf.Tensor4D, saved: tf.Tensor[], wanted: ReadonlySet<string>): Record<string, tf.Tensor> {
      const [x, out, logSum, tableRows, tableColumns] = saved as [tf.Tensor, T3, T3, T3?, T3?];
      const tables =
        tableRows === undefined || tableColumns === undefined
          ? undefined
          : { rows: tableRows, columns: tableColumns };
      const grads: Record<string, tf.Tensor> = {};
      const give = (name: string, make: () => tf.Tensor) => {
        if (wanted.has(name)) grads[name] = make();
      };
      const rows = x.reshape([-1, dim]) as T2;

      const middle = halfWay(rows, out);
      const second = mlpInRowsGradients(middle, mlp, eps, dy.reshape([-1, dim]) as T2, linear, (w) =>
        wanted.has(MLP_NAMES[w]),
      );
      for (const [name, gradient] of Object.entries(second.weights))
        grads[MLP_NAMES[name as keyof MlpWeights]] = gradient;
      const dMiddle = second.x;
      tf.dispose([dy, middle]);

      const dWindows = toWindows(dMiddle, grid);
      give('attn.proj.bias', () => dMiddle.sum(0));
      give('attn.proj.weight', () =>
        into(channelsByTokens(out), (o) => into(dWindows.reshape([-1, dim]), (d) => linear(o, d))),
      );
      const dOut = into(dWindows, (d) => perWindow(linear, projection, d, { b: true })) as T3;
      const qkv = queriesKeysValues(rows);
      const attended = attendWindowsGradients(qkv, tables, grid, { out, logSum }, dOut);
      tf.dispose([dOut, qkv, out, logSum]);
      if (attended.tables !== undefined) {
        give('rows', () => (attended.tables as RelativeTables).rows.clone());
        give('columns', () => (attended.tables as RelativeTables).columns.clone());
        tf.dispose([attended.tables.rows, attended.tables.columns]);
      }

      give('attn.qkv.bias', () => attended.qkv.sum([0, 2]));
      give('attn.qkv.weight', () =>
        into(normed(rows), (z) =>
          into(z.reshape([-1, dim]), (flat) =>
            into(channelsByTokens(attended.qkv), (d) => linear(flat, d, { a: true, b: true })),
          ),
        ),
      );
      if (!['x', 'norm1.weight', 'norm1.bias'].some((name) => wanted.has(name))) return grads;
      const dNormed = into(
        attended.qkv,
        (d) => perWindow(linear, d, joint, { a: true, b: true }),
        (d) => fromWindows(d, grid),
      );
      const first = layerNormGradients(rows, weights.get('norm1.weight'), eps, dNormed);
      give('norm1.weight', () => first.weight);
      give('norm1.bias', () => first.bias);
      give('x', () => into(first.x.add(dMiddle), (d) => d.reshape(x.shape)));
      return grads;
    },
  };
}

const MLP_NAMES: Readonly<Record<keyof MlpWeights, string>> = {
  normWeight: 'norm2.weight',
  normBias: 'norm2.bias',
  weight1: 'mlp.lin1.weight',
  bias1: 'mlp.lin1.bias',
  weight2: 'mlp.lin2.weight',
  bias2: 'mlp.lin2.bias',
};

/** A product in which one operand is a weight and the other has a leading axis of windows; one window is a plain matrix. */
function perWindow(
  linear: Product,
  left: tf.Tensor,
  right: tf.Tensor,
  transposed: { readonly a?: boolean; readonly b?: boolean },
): tf.Tensor {
  const count = Math.max(
    left.rank === 3 ? (left.shape[0] as number) : 1,
    right.rank === 3 ? (right.shape[0] as number) : 1,
  );
  if (count > 1) {
    const batched = (x: tf.Tensor) => (x.rank === 3 ? x : x.expandDims(0));
    return linear(batched(left), batched(right), transposed);
  }
  const flat = (x: tf.Tensor) => (x.rank === 3 ? x.squeeze([0]) : x);
  return into(linear(flat(left), flat(right), transposed), (y) => y.expandDims(0));
}

/** `[windows, channels, tokens] -> [channels, windows * tokens]`. */
function channelsByTokens(x: T3): tf.Tensor2D {
  const [count, channels, tokens] = x.shape;
  if (count === 1) return x.reshape([channels, tokens]) as tf.Tensor2D;
  return into(x.transpose([1, 0, 2]), (t) => t.reshape([channels, count * tokens])) as tf.Tensor2D;
}
