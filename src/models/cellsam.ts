import type { ArraySource, NamedArray, NamedArrays } from '../core/arrays.js';
import type { Random } from '../core/random.js';
import { tf } from '../tf/index.js';
import {
  cellfinder,
  type DetectorMemory,
  type QueryOutput,
  queriesFrom,
  type ReadLayers,
} from './cellfinder/cellfinder.js';
import { type DenseOutput, denseProposals } from './cellfinder/proposals.js';
import { BODY, DETECTOR } from './cellsamSpecs.js';
import { type FillOptions, filled, filledFrom, publishedArrays, publishedSource } from './fill.js';
import { runPart } from './gradientPlan.js';
import type { ModelConfig } from './options.js';
import type { Parameters, Weights } from './parameters.js';
import { neck, vitTokens } from './sam/imageEncoder.js';
import { type MaskOutput, type MaskPrediction, maskDecoder } from './sam/maskDecoder.js';
import {
  densePositions,
  ellipsePrompts,
  type FrameSize,
  maskPrompts,
  noMask,
  type PromptTensors,
  sparsePrompts,
} from './sam/promptEncoder.js';

export { weightSpecs } from './cellsamSpecs.js';

/** One pass of the image encoder; owned by the caller, see `disposeEncoded`. */
export interface Encoded {
  /** `[B, h, w, D]` of the mask branch, before the neck. */
  readonly tokens: tf.Tensor4D;
  /** `[B, h, w, C]` after the neck. */
  readonly embedding: tf.Tensor4D;
  /** What the detector reads: the same tokens, or those of its own ViT. */
  readonly detectorTokens: tf.Tensor4D;
  /** The finer map of a convolutional stem, `[B, 2h, 2w, 64]`. */
  readonly stride4?: tf.Tensor4D;
}

/** What the detector reads; with `memory`, its own first half was computed before. */
export interface DetectorInputs {
  readonly detectorTokens: tf.Tensor4D;
  readonly stride4?: tf.Tensor4D;
  readonly memory?: DetectorMemory;
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
    return new CellSam(config, filled(config, new Map(), { allowMissing: [/./], random }));
  }

  /**
   * A model with given weights.
   *
   * @throws WeightsError listing every missing, unexpected and wrongly shaped name
   */
  static fromArrays(config: ModelConfig, arrays: NamedArrays, options: FillOptions = {}): CellSam {
    return new CellSam(config, filled(config, arrays, options));
  }

  /** The same from a file that is read weight by weight, so that little more than the model itself is held. */
  static async fromSource(
    config: ModelConfig,
    source: ArraySource,
    options: FillOptions = {},
  ): Promise<CellSam> {
    return new CellSam(config, await filledFrom(config, source, options));
  }

  /** Every weight in the published layout, under its published name; the shared heads once for each decoder layer. */
  toArrays(): Map<string, NamedArray> {
    return publishedArrays(this.config, this.parameters);
  }

  /** The same, given out one by one. */
  toSource(): ArraySource {
    return publishedSource(this.config, this.parameters);
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
    const shared = vitTokens(images, this.imageEncoder, this.config.vit);
    const { tokens: detectorTokens, ...finer } =
      this.config.layout === 'two'
        ? vitTokens(detectorImages, this.detectorEncoder, this.config.vit)
        : shared;
    const embedding = neck(shared.tokens, this.imageEncoder.scope('neck'));
    return { tokens: shared.tokens, embedding, detectorTokens, ...finer };
  }

  /** `[B, h, w, C]`, what masks are made of, alone. */
  encodeForMasks(images: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() =>
      neck(vitTokens(images, this.imageEncoder, this.config.vit).tokens, this.imageEncoder.scope('neck')),
    );
  }

  /** What the detector reads, alone. */
  encodeForDetector(images: tf.Tensor4D): Pick<Encoded, 'detectorTokens' | 'stride4'> {
    const { tokens: detectorTokens, ...finer } = vitTokens(images, this.detectorEncoder, this.config.vit);
    return { detectorTokens, ...finer };
  }

  /**
   * Finds cells in encoded images.
   *
   * @param padding `[B, h, w]`, true where the image was padded; nothing is padded when absent
   */
  detect(encoded: DetectorInputs, padding?: tf.Tensor3D, read: ReadLayers = 'all'): DetectorOutput {
    const { cellfinder: config } = this.config;
    const noPadding = ([b, h, w]: readonly number[]) =>
      tf.zeros([b, h, w] as [number, number, number], 'bool') as tf.Tensor3D;
    if (encoded.memory !== undefined) {
      const { memory } = encoded;
      return tf.tidy(() =>
        queriesFrom(memory, padding ?? noPadding(memory.encoded.shape), this.detector, config, read),
      );
    }
    if (config.proposals === 'dense') return this.#dense(encoded);
    const { detectorTokens } = encoded;
    return tf.tidy(() =>
      cellfinder(detectorTokens, padding ?? noPadding(detectorTokens.shape), this.detector, config, read),
    );
  }

  #dense({ detectorTokens, stride4 }: DetectorInputs): DenseOutput {
    const weights = this.detector.scope('dense');
    const { denseStride: stride } = this.config.cellfinder;
    const inputs = stride4 === undefined ? [detectorTokens] : [detectorTokens, stride4];
    const name = `dense proposals, stride ${stride}`;
    const [logits, boxes] = runPart(name, inputs, weights, ([tokens, finer], own) => {
      const found = denseProposals(tokens as tf.Tensor4D, finer as tf.Tensor4D | undefined, own, stride);
      return [found.logits, found.boxes];
    });
    return { kind: 'dense', logits: logits as tf.Tensor2D, boxes: boxes as tf.Tensor3D, stride };
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
    ...(encoded.stride4 === undefined ? [] : [encoded.stride4]),
  ]);
}
