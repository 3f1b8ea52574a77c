import { tf } from '../../tf/index.js';
import { layerPart, recomputedPart } from '../gradientPlan.js';
import { groupNorm, linear, mlpHead, norm, project } from '../linear.js';
import type { CellFinderConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import {
  type Axis,
  adaptPositions,
  axesOf,
  embedPositions,
  listed,
  named,
  type Positions,
} from './embeddedPositions.js';
import { gridAnchors, sine1d, sine2d } from './positions.js';
import { averagedKeys, plainAttention, rowColumnAttention } from './rcda.js';

const EPS = 1e-5;

/** Everything between tokens and boxes; what is not output of the method is there for tests. */
export type QueryOutput = {
  readonly kind: 'queries';
  /** `[L, B, Q, K]` class logits of every decoder layer, or of the last alone. */
  readonly logits: tf.Tensor4D;
  /** `[L, B, Q, 4]` centre x, centre y, width, height in 0..1. */
  readonly boxes: tf.Tensor4D;
  /** `[Q, 2]` anchor points x, y. */
  readonly anchors: tf.Tensor2D;
  /** `[B, h, w, E]`. */
  readonly projected: tf.Tensor4D;
  readonly encoded: tf.Tensor4D;
  /** `[B, Q, E]` after the first decoder layer. */
  readonly firstLayer: tf.Tensor3D;
};

/** Which decoder layers' queries become boxes: training learns from all, what is found is the last one's. */
export type ReadLayers = 'all' | 'last';

/** The detector's memory: tokens after the projection and after the encoder layers, `[B, h, w, E]`. */
export interface DetectorMemory {
  readonly projected: tf.Tensor4D;
  readonly encoded: tf.Tensor4D;
}

/**
 * CellFinder: Anchor DETR (Wang et al. 2022) on the ViT's tokens, as CellSAM uses it (Methods, "CellFinder").
 *
 * @param tokens `[B, h, w, D]` before the neck
 * @param padding `[B, h, w]`, true where the image is padded
 * @param weights below `cellfinder.decode_head`
 */
export function cellfinder(
  tokens: tf.Tensor4D,
  padding: tf.Tensor3D,
  weights: Weights,
  config: CellFinderConfig,
  read: ReadLayers = 'all',
): QueryOutput {
  return tf.tidy(() => {
    const memory = detectorMemory(tokens, padding, weights, config);
    return queriesFrom(memory, padding, weights, config, read);
  });
}

/** The first half of `cellfinder`: what does not depend on the queries. */
export function detectorMemory(
  tokens: tf.Tensor4D,
  padding: tf.Tensor3D,
  weights: Weights,
  config: CellFinderConfig,
): DetectorMemory {
  return tf.tidy(() => {
    const transformer = weights.scope('transformer');
    const wide = project(
      tokens,
      weights.get('input_proj.0.0.weight'),
      weights.get('input_proj.0.0.bias'),
    ) as tf.Tensor4D;
    const projected = groupNorm(wide, weights, 'input_proj.0.1', config.groupNormGroups, EPS);
    const positions = embedPositions(padding, transformer, config);
    const axes = axesOf(config);
    let encoded: tf.Tensor4D = projected;
    const encoderName = nameOf('encoder', config);
    for (let i = 0; i < config.encLayers; i++) {
      const layer = transformer.scope(`encoder_layers.${i}`);
      const inputs = [encoded, padding, ...listed(positions, axes)];
      encoded = layerPart(encoderName, inputs, layer, ([x, mask, ...places], own) =>
        encoderLayer(x as tf.Tensor4D, mask as tf.Tensor3D, named(places, axes), own, config),
      );
    }
    return { projected, encoded: encoded === projected ? projected.clone() : encoded };
  });
}

/** The second half: queries read the memory. Adaptation runs it alone on memories that it keeps. */
export function queriesFrom(
  memory: DetectorMemory,
  padding: tf.Tensor3D,
  weights: Weights,
  config: CellFinderConfig,
  read: ReadLayers = 'all',
): QueryOutput {
  return tf.tidy(() => {
    const transformer = weights.scope('transformer');
    const anchors = repeatAnchors(transformer, config);
    const positions = embedPositions(padding, transformer, config);
    return {
      kind: 'queries' as const,
      ...memory,
      anchors,
      ...decode(memory.encoded, padding, positions, anchors, transformer, config, read),
    };
  });
}

/** All layers of one kind compute the same, but for their weights. */
const nameOf = (kind: 'encoder' | 'decoder', config: CellFinderConfig): string =>
  `CellFinder's ${kind} layer ${JSON.stringify(config)}`;

function encoderLayer(
  x: tf.Tensor4D,
  padding: tf.Tensor3D,
  positions: Positions,
  weights: Weights,
  config: CellFinderConfig,
): tf.Tensor4D {
  const [batch, height, width, dim] = x.shape;
  const flat = x.reshape([batch, height * width, dim]);
  const own = weights.scope('self_attn');
  let mixed: tf.Tensor;
  if (config.attentionType === 'RCDA') {
    const [row, column] = [x.add(positions.row), x.add(positions.column)];
    const keys = averagedKeys(x, positions.row, positions.column);
    const inputs = {
      queryRow: row.reshape(flat.shape),
      queryColumn: column.reshape(flat.shape),
      keyRow: keys.row,
      keyColumn: keys.column,
      value: x,
      padding,
    };
    mixed = rowColumnAttention(inputs, own, config.nheads);
  } else {
    const query = flat.add(positions.both);
    mixed = plainAttention(query, query, flat, own, config.nheads, padding.reshape([batch, height * width]));
  }
  return feedForward(norm(flat.add(mixed), weights, 'norm1', EPS), weights).reshape([
    batch,
    height,
    width,
    dim,
  ]);
}

/** `norm(x + linear2(relu(linear1(x))))`. */
function feedForward(x: tf.Tensor, weights: Weights): tf.Tensor {
  const hidden = linear(x, weights, 'ffn.linear1').relu();
  return norm(x.add(linear(hidden, weights, 'ffn.linear2')), weights, 'ffn.norm2', EPS);
}

/** `[Q, 2]`: the anchor points once for each pattern (query = pattern * points + point). */
function repeatAnchors(weights: Weights, config: CellFinderConfig): tf.Tensor2D {
  const points =
    config.spatialPrior === 'grid'
      ? gridAnchors(config.numQueryPosition)
      : (weights.get('position.weight') as tf.Tensor2D);
  return points.tile([config.numQueryPattern, 1]);
}

function decode(
  memory: tf.Tensor4D,
  padding: tf.Tensor3D,
  positions: Positions,
  anchors: tf.Tensor2D,
  weights: Weights,
  config: CellFinderConfig,
  read: ReadLayers,
) {
  const [batch, , , dim] = memory.shape;
  const queries = anchors.shape[0];
  const [x, y] = [anchors.slice([0, 0], [-1, 1]), anchors.slice([0, 1], [-1, 1])];
  const adapt = (p: tf.Tensor) =>
    adaptPositions(sine1d(p.flatten(), dim), weights, 'adapt_pos1d').expandDims(0);
  const position: Positions = {
    both: adaptPositions(sine2d(anchors, dim), weights, 'adapt_pos2d').expandDims(0),
    row: adapt(x),
    column: adapt(y),
  };
  const reference = tf.concat([inverseSigmoid(x), inverseSigmoid(y), tf.zeros([queries, 2])], 1);
  const content = weights
    .get('pattern.weight')
    .expandDims(1)
    .tile([1, queries / config.numQueryPattern, 1]);
  let t: tf.Tensor = content.reshape([1, queries, dim]).tile([batch, 1, 1]);
  const axes = axesOf(config);
  const ownAxes: Axis[] = ['both', ...axes.filter((axis) => axis !== 'both')];
  const keys: Positions =
    config.attentionType === 'RCDA'
      ? { ...positions, ...averagedKeys(memory, positions.row, positions.column) }
      : positions;
  const layers: tf.Tensor[] = [];
  const decoderName = nameOf('decoder', config);
  for (let i = 0; i < config.decLayers; i++) {
    const layer = weights.scope(`decoder_layers.${i}`);
    const inputs = [t, memory, padding, ...listed(keys, axes), ...listed(position, ownAxes)];
    t = layerPart(decoderName, inputs, layer, ([x, tokens, mask, ...places], own) =>
      decoderLayer(
        x as tf.Tensor,
        tokens as tf.Tensor4D,
        mask as tf.Tensor3D,
        named(places.slice(0, axes.length), axes),
        named(places.slice(axes.length), ownAxes),
        own,
        config,
      ),
    );
    layers.push(t);
  }
  const wanted = read === 'last' ? layers.slice(-1) : layers;
  return { ...heads(tf.stack(wanted), reference, weights), firstLayer: layers[0] as tf.Tensor3D };
}

/** Class logits `[L, B, Q, K]` and boxes `[L, B, Q, 4]` of all layers' queries; the weights are common to all layers. */
function heads(queries: tf.Tensor, reference: tf.Tensor, weights: Weights) {
  const own = [weights.scope('class_embed'), weights.scope('bbox_embed')];
  const [logits, boxes] = recomputedPart([queries, reference], own, ([x, around]) => [
    linear(x as tf.Tensor, weights, 'class_embed.0'),
    mlpHead(x as tf.Tensor, weights, 'bbox_embed.0', 3)
      .add(around as tf.Tensor)
      .sigmoid(),
  ]);
  return { logits: logits as tf.Tensor4D, boxes: boxes as tf.Tensor4D };
}

/**
 * Self attention of the queries, attention to the image's tokens, feed-forward; each followed by a norm.
 *
 * @param keys averaged keys of row-column attention, which all layers share; else the positions of the tokens
 */
function decoderLayer(
  queries: tf.Tensor,
  memory: tf.Tensor4D,
  padding: tf.Tensor3D,
  keys: Positions,
  position: Positions,
  weights: Weights,
  config: CellFinderConfig,
): tf.Tensor {
  const [batch, height, width, dim] = memory.shape;
  const query = queries.add(position.both);
  const own = plainAttention(query, query, queries, weights.scope('self_attn'), config.nheads);
  const t = norm(queries.add(own), weights, 'norm2', EPS);
  const cross = weights.scope('cross_attn');
  let mixed: tf.Tensor;
  if (config.attentionType === 'RCDA') {
    const inputs = {
      queryRow: t.add(position.row),
      queryColumn: t.add(position.column),
      keyRow: keys.row,
      keyColumn: keys.column,
      value: memory,
      padding,
    };
    mixed = rowColumnAttention(inputs, cross, config.nheads);
  } else {
    const flat = memory.reshape([batch, height * width, dim]);
    const mask = padding.reshape([batch, height * width]);
    mixed = plainAttention(t.add(position.both), flat.add(keys.both), flat, cross, config.nheads, mask);
  }
  return feedForward(norm(t.add(mixed), weights, 'norm1', EPS), weights);
}

/** `ln(max(x, 1e-5) / max(1 - x, 1e-5))` of x clamped to 0..1. */
function inverseSigmoid(x: tf.Tensor): tf.Tensor {
  const clamped = x.clipByValue(0, 1);
  const floor = (v: tf.Tensor) => v.clipByValue(1e-5, 1);
  return floor(clamped)
    .log()
    .sub(floor(tf.sub(1, clamped)).log());
}
