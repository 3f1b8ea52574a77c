import type { NamedArray, NamedArrays } from '../../src/core/arrays.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { CellSam } from '../../src/models/cellsam.js';
import { type ModelConfig, modelOptions } from '../../src/models/options.js';
import { tf } from '../../src/tf/index.js';

type Pair = readonly [number, number];

/** A golden set's config, in its own spelling. */
export interface GoldenConfig {
  readonly layout: 'shared' | 'two';
  readonly mask_branch: 'model' | 'model_cp';
  readonly vit: Readonly<Record<string, unknown>> & {
    readonly img_size: number;
    readonly patch_size: number;
  };
  readonly prompt_encoder: Readonly<Record<string, unknown>>;
  readonly mask_decoder: Readonly<Record<string, unknown>>;
  readonly pixel_mean: readonly number[];
  readonly pixel_std: readonly number[];
  readonly cellfinder: Readonly<Record<string, unknown>>;
  readonly inputs: {
    readonly forward_images: readonly number[];
    readonly prompt_image: number;
    readonly resample_valid: Pair;
  };
  readonly postprocess: { readonly input_size: Pair; readonly original_size: Pair };
  readonly criterion: Readonly<Record<string, number>>;
  readonly stage1: {
    readonly lr_head: number;
    readonly lr_vit: number;
    readonly weight_decay: number;
    readonly betas: Pair;
    readonly eps: number;
    readonly clip_norm: number;
    readonly batches: readonly (readonly number[])[];
    readonly final_weights: readonly string[];
    readonly gradients_stored: readonly string[];
    readonly gradient_norm_order: readonly string[];
  };
  readonly stage2: {
    readonly weights: {
      readonly focal: number;
      readonly dice: number;
      readonly bce: number;
      readonly iou: number;
    };
    readonly focal_alpha: number;
    readonly focal_gamma: number;
    readonly gradients_stored: readonly string[];
    readonly gradient_norm_order: readonly string[];
  };
  readonly tolerance: Readonly<Record<string, number>>;
}

export interface Golden {
  readonly config: GoldenConfig;
  readonly modelConfig: ModelConfig;
  readonly model: CellSam;
  readonly expected: NamedArrays;
  readonly input: (name: string) => NamedArray;
}

/** What was computed, keyed like the expected file. */
export type Computed = Map<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>;

/** Reads weights and expectations of a set and builds its model. */
export async function loadGolden(stem: string, config: GoldenConfig): Promise<Golden> {
  const modelConfig = modelOptions.parse({
    layout: config.layout,
    maskBranch: config.mask_branch,
    vit: camel(config.vit),
    promptEncoder: camel(config.prompt_encoder),
    maskDecoder: camel(config.mask_decoder),
    pixelMean: config.pixel_mean,
    pixelStd: config.pixel_std,
    cellfinder: camel(config.cellfinder),
  });
  const { tensors } = await readSafetensors(`${stem}.weights.safetensors`);
  const { tensors: expected } = await readSafetensors(`${stem}.expected.safetensors`);
  const input = (name: string): NamedArray => {
    const array = expected.get(name);
    if (array === undefined) throw new Error(`${stem}.expected.safetensors has no \`${name}\``);
    return array;
  };
  return { config, modelConfig, model: CellSam.fromArrays(modelConfig, tensors), expected, input };
}

function camel(section: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const key = (k: string) => k.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(section).map(([k, v]) => [key(k), v]));
}

export function tensorOf(array: NamedArray): tf.Tensor {
  return tf.tensor(Float32Array.from(array.data, Number), [...array.shape]);
}

/** Normalised images `[n, S, S, 3]`, zero where padded, and the padding at token resolution `[n, g, g]`. */
export function modelInput(
  golden: Golden,
  indexes: readonly number[],
): { images: tf.Tensor4D; padding: tf.Tensor3D } {
  const side = golden.config.vit.img_size;
  const valid = golden.input('in.valid').data;
  return tf.tidy(() => {
    const pixels = tensorOf(golden.input('in.images'))
      .transpose([0, 2, 3, 1])
      .gather(tf.tensor1d([...indexes], 'int32'));
    const sizes = indexes.map((i) => [Number(valid[2 * i]), Number(valid[2 * i + 1])] as Pair);
    const content = contentMask(sizes, side, side);
    const images = normalise(golden, pixels).mul(content.expandDims(-1)) as tf.Tensor4D;
    const grid = Math.floor(side / golden.config.vit.patch_size);
    return { images, padding: paddingOf(sizes, side, side, grid, grid) };
  });
}

export function normalise(golden: Golden, pixels: tf.Tensor): tf.Tensor {
  return pixels
    .sub(tf.tensor1d([...golden.config.pixel_mean]))
    .div(tf.tensor1d([...golden.config.pixel_std]));
}

function contentMask(sizes: readonly Pair[], height: number, width: number): tf.Tensor3D {
  const data = new Float32Array(sizes.length * height * width);
  for (const [b, [h, w]] of sizes.entries()) {
    for (let y = 0; y < h; y++) data.fill(1, (b * height + y) * width, (b * height + y) * width + w);
  }
  return tf.tensor3d(data, [sizes.length, height, width]);
}

/** True outside the content, sampled at the nearest pixel `floor(i * side / tokens)`. */
export function paddingOf(
  sizes: readonly Pair[],
  height: number,
  width: number,
  rows: number,
  columns: number,
): tf.Tensor3D {
  const data = new Uint8Array(sizes.length * rows * columns);
  for (const [b, [h, w]] of sizes.entries()) {
    for (let i = 0; i < rows * columns; i++) {
      const y = Math.floor((Math.floor(i / columns) * height) / rows);
      const x = Math.floor(((i % columns) * width) / columns);
      data[b * rows * columns + i] = y >= h || x >= w ? 1 : 0;
    }
  }
  return tf.tensor3d(data, [sizes.length, rows, columns], 'bool');
}
