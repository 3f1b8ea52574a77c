import { cellfinder } from '../../src/models/cellfinder/cellfinder.js';
import { postprocessQueries } from '../../src/models/cellfinder/postprocess.js';
import type { DecodeRequest } from '../../src/models/cellsam.js';
import { neck, resamplePositions, vitTokens } from '../../src/models/sam/imageEncoder.js';
import { densePositions, maskPrompts, noMask, sparsePrompts } from '../../src/models/sam/promptEncoder.js';
import { upscaleMasks } from '../../src/models/sam/upscaleMasks.js';
import { tf } from '../../src/tf/index.js';
import { match, matchingCost, type Targets } from '../../src/train/losses/matching.js';
import { type Computed, type Golden, modelInput, normalise, paddingOf, tensorOf } from './golden.js';

/** Every forward key: encoder, prompts, decoder, detector, matching, and the other image size. */
export function computeForward(golden: Golden): Computed {
  const computed: Computed = new Map();
  const put = (name: string, value: tf.Tensor) =>
    computed.set(`out.${name}`, { shape: value.shape, data: value.dataSync() });
  tf.tidy(() => {
    const { images, padding } = modelInput(golden, golden.config.inputs.forward_images);
    encoderKeys(golden, images, put);
    promptKeys(golden, put);
    decoderKeys(golden, put);
    detectorKeys(golden, images, padding, put, computed);
    resampleKeys(golden, put);
  });
  return computed;
}

type Put = (name: string, value: tf.Tensor) => void;
const toChannelsFirst = (x: tf.Tensor): tf.Tensor => x.transpose([0, 3, 1, 2]);

function encoderKeys(golden: Golden, images: tf.Tensor4D, put: Put): void {
  const { model } = golden;
  put('vit.input', toChannelsFirst(images.slice([images.shape[0] - 1, 0, 0, 0], [1, -1, -1, -1])));
  const { tokens } = vitTokens(images, model.imageEncoder, model.config.vit, (index, x) =>
    put(index < 0 ? 'vit.patch_embed' : `vit.blocks.${index}`, x),
  );
  put('vit.neck', toChannelsFirst(neck(tokens, model.imageEncoder.scope('neck'))));
}

function promptInputs(golden: Golden) {
  const points = tensorOf(golden.input('in.prompt.points')) as tf.Tensor3D;
  const pointLabels = tensorOf(golden.input('in.prompt.point_labels')) as tf.Tensor2D;
  const boxes = tensorOf(golden.input('in.prompt.boxes')) as tf.Tensor2D;
  const masks = tensorOf(golden.input('in.prompt.mask')).transpose([0, 2, 3, 1]) as tf.Tensor4D;
  const firstBoxes = boxes.slice([0, 0], [points.shape[0], 4]);
  return {
    points: { points, pointLabels },
    boxes: { boxes },
    points_boxes_mask: { points, pointLabels, boxes: firstBoxes, masks },
  };
}

function promptKeys(golden: Golden, put: Put): void {
  const { model, config } = golden;
  const side = config.vit.img_size;
  const grid = side / config.vit.patch_size;
  const frame = { height: side, width: side };
  const prompts = promptInputs(golden);
  put('prompt.dense_pe', toChannelsFirst(densePositions(grid, grid, model.promptEncoder)));
  for (const [name, prompt] of Object.entries(prompts))
    put(`prompt.${name}.sparse`, sparsePrompts(prompt, frame, model.promptEncoder));
  put(
    'prompt.points_boxes_mask.dense',
    toChannelsFirst(maskPrompts(prompts.points_boxes_mask.masks, model.promptEncoder)),
  );
  put('prompt.no_mask.dense', toChannelsFirst(noMask(model.promptEncoder).tile([1, grid, grid, 1])));
}

function decoderKeys(golden: Golden, put: Put): void {
  const { model, config } = golden;
  const { images } = modelInput(golden, [config.inputs.prompt_image]);
  const { embedding } = model.encode(images);
  const cases: Readonly<Record<string, DecodeRequest>> = promptInputs(golden);
  for (const [name, request] of Object.entries(cases)) {
    for (const output of ['single', 'multi'] as const) {
      const prediction = model.decode(embedding, { ...request, output });
      put(`decoder.${name}.${output}.masks`, toChannelsFirst(prediction.masks));
      put(`decoder.${name}.${output}.iou`, prediction.iou);
      if (output === 'multi') continue;
      put(`twoway.${name}.tokens`, prediction.twoWay.tokens);
      put(`twoway.${name}.image`, prediction.twoWay.image);
      if (name !== 'boxes') continue;
      const { input_size: [height, width], original_size: [toHeight, toWidth] } = config.postprocess; // biome-ignore format: two pairs
      const side = config.vit.img_size;
      const input = { height, width };
      const original = { height: toHeight, width: toWidth };
      put(
        'postprocess.masks',
        toChannelsFirst(upscaleMasks(prediction.masks, { height: side, width: side }, input, original)),
      );
    }
  }
}

function detectorKeys(
  golden: Golden,
  images: tf.Tensor4D,
  padding: tf.Tensor3D,
  put: Put,
  computed: Computed,
): void {
  const { model } = golden;
  const { tokens } = vitTokens(images, model.detectorEncoder, model.config.vit);
  put('cellfinder.mask', padding);
  const output = cellfinder(tokens, padding, model.detector, model.config.cellfinder);
  put('cellfinder.input_proj', toChannelsFirst(output.projected));
  put('cellfinder.encoder', toChannelsFirst(output.encoded));
  put('cellfinder.reference_points', output.anchors);
  put('cellfinder.decoder.0', output.firstLayer);
  put('cellfinder.logits', output.logits);
  put('cellfinder.boxes', output.boxes);
  topkKeys(golden, output.logits, output.boxes, computed);
  matchKeys(golden, output.logits, output.boxes, computed);
}

function topkKeys(golden: Golden, logits: tf.Tensor4D, boxes: tf.Tensor4D, computed: Computed): void {
  const [layers, batch, queries, classes] = logits.shape;
  const sizes = golden.input('in.cellfinder.target_sizes').data;
  const all = { scores: [] as number[], labels: [] as number[], boxes: [] as number[] };
  for (let b = 0; b < batch; b++) {
    const last = (x: tf.Tensor4D) =>
      x.slice([layers - 1, b, 0, 0], [1, 1, -1, -1]).dataSync() as Float32Array;
    const top = postprocessQueries(last(logits), last(boxes), classes, {
      height: Number(sizes[2 * b]),
      width: Number(sizes[2 * b + 1]),
    });
    all.scores.push(...top.scores);
    all.labels.push(...top.labels);
    all.boxes.push(...top.boxes);
  }
  computed.set('out.cellfinder.topk.scores', { shape: [batch, queries], data: all.scores });
  computed.set('out.cellfinder.topk.labels', { shape: [batch, queries], data: all.labels });
  computed.set('out.cellfinder.topk.boxes', { shape: [batch, queries, 4], data: all.boxes });
}

function matchKeys(golden: Golden, logits: tf.Tensor4D, boxes: tf.Tensor4D, computed: Computed): void {
  const [layers, batch, queries, classes] = logits.shape;
  const costs = matchingCosts(golden);
  const targets = targetsOf(golden, golden.config.inputs.forward_images);
  for (let layer = 0; layer < layers; layer++) {
    for (let b = 0; b < batch; b++) {
      const part = (x: tf.Tensor4D) => x.slice([layer, b, 0, 0], [1, 1, -1, -1]).dataSync() as Float32Array;
      const own = targets[b] as Targets;
      const { query, target } = match(part(logits), part(boxes), classes, own, costs);
      computed.set(`out.match.${layer}.${b}.query`, { shape: [query.length], data: query });
      computed.set(`out.match.${layer}.${b}.target`, { shape: [target.length], data: target });
      if (layer < layers - 1) continue;
      const cost = matchingCost(part(logits), part(boxes), classes, own, costs);
      computed.set(`out.match.cost.${b}`, { shape: [queries, own.labels.length], data: cost });
    }
  }
}

export function matchingCosts(golden: Golden) {
  const c = golden.config.criterion;
  return { costClass: c['cost_class'] ?? 2, costBbox: c['cost_bbox'] ?? 5, costGiou: c['cost_giou'] ?? 2 };
}

/** True objects of these images. */
export function targetsOf(golden: Golden, indexes: readonly number[]): Targets[] {
  const counts = Array.from(golden.input('in.targets.count').data, Number);
  const boxes = Float32Array.from(golden.input('in.targets.boxes').data, Number);
  const labels = Int32Array.from(golden.input('in.targets.labels').data, Number);
  return indexes.map((i) => {
    const from = counts.slice(0, i).reduce((a, b) => a + b, 0);
    const to = from + (counts[i] ?? 0);
    return { boxes: boxes.slice(4 * from, 4 * to), labels: labels.slice(from, to) };
  });
}

function resampleKeys(golden: Golden, put: Put): void {
  const { model, config } = golden;
  const images = normalise(
    golden,
    tensorOf(golden.input('in.resample.image')).transpose([0, 2, 3, 1]),
  ) as tf.Tensor4D;
  const [, height, width] = images.shape;
  const [rows, columns] = [height / config.vit.patch_size, width / config.vit.patch_size];
  if (model.config.vit.useAbsPos)
    put(
      'resample.pos_embed',
      resamplePositions(model.imageEncoder.get('pos_embed') as tf.Tensor4D, rows, columns),
    );
  const encoded = model.encode(images);
  put('resample.tokens', encoded.tokens);
  put('resample.neck', toChannelsFirst(encoded.embedding));
  put('resample.dense_pe', toChannelsFirst(densePositions(rows, columns, model.promptEncoder)));
  const prediction = model.decode(encoded.embedding, {
    boxes: tensorOf(golden.input('in.resample.boxes')) as tf.Tensor2D,
  });
  put('resample.masks', toChannelsFirst(prediction.masks));
  put('resample.iou', prediction.iou);
  const padding = paddingOf([config.inputs.resample_valid], height, width, rows, columns);
  const output = cellfinder(encoded.detectorTokens, padding, model.detector, model.config.cellfinder);
  put('resample.cellfinder.logits', output.logits);
  put('resample.cellfinder.boxes', output.boxes);
}
