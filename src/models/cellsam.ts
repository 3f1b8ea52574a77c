import type { NamedArray, NamedArrays } from '../core/arrays.js';
import { WeightsError } from '../core/errors.js';
import { Random } from '../core/random.js';
import { tf } from '../tf/index.js';
import { cellfinder, type QueryOutput } from './cellfinder/cellfinder.js';
import { type DenseOutput, denseProposals } from './cellfinder/proposals.js';
import { cellfinderSpecs } from './cellfinder/specs.js';
import { mismatchError } from './mismatch.js';
import { tensorFlowShape, toPublished, toTensorFlow } from './names.js';
import type { ModelConfig } from './options.js';
import { Parameters, type Weights } from './parameters.js';
import { imageEncoderSpecs, neck, vitTokens } from './sam/imageEncoder.js';
import { type MaskOutput, type MaskPrediction, maskDecoder, maskDecoderSpecs } from './sam/maskDecoder.js';
import {
  densePositions,
  ellipsePrompts,
  type FrameSize,
  maskPrompts,
  noMask,
  type PromptTensors,
  promptEncoderSpecs,
  sparsePrompts,
} from './sam/promptEncoder.js';
import type { StemMaps } from './sam/stem.js';
import { addScoped, initialValues, type WeightSpecs } from './specs.js';

const DETECTOR = 'cellfinder.decode_head';
/** The detector's own ViT in the two-ViT layout. */
const BODY = `${DETECTOR}.backbone.body`;

/** One pass of the image encoder; owned by the caller, see `disposeEncoded`. */
export interface Encoded {
  /** `[B, h, w, D]` of the mask branch, before the neck. */
  readonly tokens: tf.Tensor4D;
  /** `[B, h, w, C]` after the neck. */
  readonly embedding: tf.Tensor4D;
  /** What the detector reads: the same tokens, or those of its own ViT. */
  readonly detectorTokens: tf.Tensor4D;
  readonly stem?: StemMaps;
}

export type DetectorOutput = QueryOutput | DenseOutput;

/** Prompts for the decoder; `masks` is `[n, 4h, 4w, 1]` of logits. */
export interface DecodeRequest extends PromptTensors {
  readonly masks?: tf.Tensor4D | undefined;
  readonly output?: MaskOutput;
}

/**
 * CellSAM as a whole, in both published forms: one ViT shared by masks and detector (the paper), or two (the released
 * checkpoint). Weights are keyed by their published names.
 */
export class CellSam {
  readonly config: ModelConfig;
  readonly parameters: Parameters;

  private constructor(config: ModelConfig, parameters: Parameters) {
    this.config = config;
    this.parameters = parameters;
  }

  /** A fresh model with the published initial values. */
  static create(config: ModelConfig, random: Random): CellSam {
    return new CellSam(config, build(weightSpecs(config), new Map(), random));
  }

  /**
   * A model with given weights.
   *
   * @param options.allowMissing patterns of names that may be missing; those start fresh, drawn from `random`
   * @param options.allowUnexpected patterns of names in the file that may be left unused
   * @throws WeightsError listing every missing, unexpected and wrongly shaped name
   */
  static fromArrays(
    config: ModelConfig,
    arrays: NamedArrays,
    options: {
      readonly allowMissing?: readonly RegExp[];
      readonly allowUnexpected?: readonly RegExp[];
      readonly random?: Random;
    } = {},
  ): CellSam {
    const specs = weightSpecs(config);
    const copies = new Map(
      [...specs.keys()].flatMap((name) => sharedCopies(name, config).map((c) => [c, name])),
    );
    const ignored = [
      ...[...copies.keys()].map((name) => new RegExp(`^${name.replaceAll('.', '\\.')}$`)),
      ...(options.allowUnexpected ?? []),
    ];
    if (config.maskBranch === 'model_cp') ignored.push(/^model\./);
    const error = mismatchError(specs, arrays, options.allowMissing ?? [], ignored);
    if (error !== undefined) throw error;
    checkCopies(copies, arrays);
    return new CellSam(config, build(specs, arrays, options.random ?? new Random(0)));
  }

  /** Every weight in the published layout, under its published name; the shared heads once for each decoder layer. */
  toArrays(): Map<string, NamedArray> {
    const arrays = new Map<string, NamedArray>();
    for (const [name, spec] of weightSpecs(this.config)) {
      const variable = this.parameters.get(name);
      const data = Float32Array.from(variable.dataSync());
      const array = toPublished(name, { shape: variable.shape, dtype: 'float32', data });
      arrays.set(name, { ...array, shape: spec.shape });
      for (const copy of sharedCopies(name, this.config)) arrays.set(copy, { ...array, shape: spec.shape });
    }
    return arrays;
  }

  /** Weights of the image encoder that makes masks. */
  get imageEncoder(): Weights {
    return this.parameters.scope(`${this.config.maskBranch}.image_encoder`);
  }

  /** Weights of the ViT that the detector reads. */
  get detectorEncoder(): Weights {
    return this.config.layout === 'two' ? this.parameters.scope(BODY) : this.imageEncoder;
  }

  get promptEncoder(): Weights {
    return this.parameters.scope(`${this.config.maskBranch}.prompt_encoder`);
  }

  get maskDecoder(): Weights {
    return this.parameters.scope(`${this.config.maskBranch}.mask_decoder`);
  }

  get detector(): Weights {
    return this.parameters.scope(DETECTOR);
  }

  /** Encodes images `[B, H, W, 3]` that are normalised already; the second ViT, if any, sees `detectorImages` or the same. */
  encode(images: tf.Tensor4D, detectorImages: tf.Tensor4D = images): Encoded {
    const { tokens, stem } = vitTokens(images, this.imageEncoder, this.config.vit);
    const own =
      this.config.layout === 'two'
        ? vitTokens(detectorImages, this.detectorEncoder, this.config.vit)
        : { tokens, stem };
    const embedding = neck(tokens, this.imageEncoder.scope('neck'));
    return {
      tokens,
      embedding,
      detectorTokens: own.tokens,
      ...(own.stem === undefined ? {} : { stem: own.stem }),
    };
  }

  /**
   * Finds cells in encoded images.
   *
   * @param padding `[B, h, w]`, true where the image was padded; nothing is padded when absent
   */
  detect(encoded: Pick<Encoded, 'detectorTokens' | 'stem'>, padding?: tf.Tensor3D): DetectorOutput {
    const { cellfinder: config } = this.config;
    if (config.proposals === 'dense') {
      if (encoded.stem === undefined) {
        throw new WeightsError('dense proposals need the convolutional stem', {
          fix: 'set `model.vit.stem: conv`, or `model.cellfinder.proposals: learned`',
        });
      }
      return denseProposals(
        encoded.detectorTokens,
        encoded.stem,
        this.detector.scope('dense'),
        config.denseStride,
      );
    }
    return tf.tidy(() => {
      const [b, h, w] = encoded.detectorTokens.shape;
      return cellfinder(
        encoded.detectorTokens,
        padding ?? tf.zeros([b, h, w], 'bool'),
        this.detector,
        config,
      );
    });
  }

  /** Masks for n prompts. @param embedding `[1, h, w, C]`, or `[n, h, w, C]` with the image of each prompt */
  decode(embedding: tf.Tensor4D, request: DecodeRequest): MaskPrediction {
    return tf.tidy(() => {
      const [, h, w] = embedding.shape;
      const frame: FrameSize = {
        height: h * this.config.vit.patchSize,
        width: w * this.config.vit.patchSize,
      };
      const sparse = sparsePrompts(request, frame, this.promptEncoder);
      const masks = request.masks ?? this.#boxesAsMasks(request, frame, 4 * h, 4 * w);
      const dense = masks === undefined ? noMask(this.promptEncoder) : maskPrompts(masks, this.promptEncoder);
      const positions = densePositions(h, w, this.promptEncoder);
      return maskDecoder(
        embedding,
        positions,
        sparse,
        dense,
        this.maskDecoder,
        this.config.maskDecoder,
        request.output,
      );
    });
  }

  #boxesAsMasks(
    { boxes }: DecodeRequest,
    frame: FrameSize,
    height: number,
    width: number,
  ): tf.Tensor4D | undefined {
    return boxes !== undefined && this.config.promptEncoder.boxAsMask
      ? ellipsePrompts(boxes, frame, height, width)
      : undefined;
  }

  dispose(): void {
    this.parameters.dispose();
  }
}

export function disposeEncoded(encoded: Encoded): void {
  tf.dispose([
    encoded.tokens,
    encoded.embedding,
    encoded.detectorTokens,
    ...(encoded.stem === undefined ? [] : Object.values(encoded.stem)),
  ]);
}

/** Published names and shapes of every weight of a model, shared heads once. */
export function weightSpecs(config: ModelConfig): WeightSpecs {
  const specs: WeightSpecs = new Map();
  const branch = config.maskBranch;
  addScoped(specs, `${branch}.image_encoder`, imageEncoderSpecs(config.vit, true));
  addScoped(specs, `${branch}.prompt_encoder`, promptEncoderSpecs(config.promptEncoder));
  addScoped(specs, `${branch}.mask_decoder`, maskDecoderSpecs(config.maskDecoder));
  addScoped(specs, DETECTOR, cellfinderSpecs(config.cellfinder, config.vit.embedDim));
  if (config.layout === 'two') addScoped(specs, BODY, imageEncoderSpecs(config.vit, false));
  return specs;
}

/** Further names under which the published checkpoint stores a head that all decoder layers share. */
function sharedCopies(name: string, config: ModelConfig): string[] {
  const match = /^(.*\.transformer\.(?:class|bbox)_embed\.)0(\..*)$/.exec(name);
  if (match === null) return [];
  return Array.from({ length: config.cellfinder.decLayers - 1 }, (_, i) => `${match[1]}${i + 1}${match[2]}`);
}

/** @throws WeightsError when copies of a shared head in a file are not bit for bit the same */
function checkCopies(copies: ReadonlyMap<string, string>, arrays: NamedArrays): void {
  const problems = [...copies].flatMap(([copy, name]) => {
    const [a, b] = [arrays.get(name), arrays.get(copy)];
    if (a === undefined || b === undefined) return [];
    const same = a.data.length === b.data.length && a.data.every((value, i) => Object.is(value, b.data[i]));
    return same ? [] : [{ where: copy, message: `differs from \`${name}\`, with which the model shares it` }];
  });
  if (problems.length > 0)
    throw new WeightsError('heads that all decoder layers share differ in the file', { problems });
}

function build(specs: WeightSpecs, arrays: NamedArrays, random: Random): Parameters {
  const parameters = new Parameters();
  for (const [name, spec] of specs) {
    const given = arrays.get(name);
    const data =
      given === undefined ? initialValues(spec, random.split(name)) : Float32Array.from(given.data, Number);
    const array = toTensorFlow(name, { shape: spec.shape, dtype: 'float32', data });
    parameters.add(
      name,
      tf.tensor(array.data as Float32Array, tensorFlowShape(name, spec.shape), 'float32'),
      spec.isTrainable ?? true,
    );
  }
  return parameters;
}
