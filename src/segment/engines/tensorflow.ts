import { scoredBoxes } from '../../models/cellfinder/scoredBoxes.js';
import { type CellSam, type DetectorInputs, disposeEncoded } from '../../models/cellsam.js';
import { maskDecoderForMany } from '../../models/sam/maskDecoderForMany.js';
import { densePositions, noMask, type PromptTensors, sparsePrompts } from '../../models/sam/promptEncoder.js';
import { disposeShared, type SharedImage, sharedImage } from '../../models/sam/sharedImage.js';
import type { Detection, MaskLogits, Prompt } from '../../models/types.js';
import { into, tf } from '../../tf/index.js';
import { candidates } from '../candidates.js';
import type { Embedding, Engine, Scaling } from '../engine.js';
import { decodeCompiled } from './compiledDecoder.js';
import { type DecodeKind, decodeByKind } from './decodeByKind.js';

interface TensorEmbedding extends Embedding {
  readonly detector: DetectorInputs;
  /** `[B, h, w, C]`. With two encoders made when it is first asked for: an image without cells needs none. */
  readonly masks: () => tf.Tensor4D;
  readonly free: () => void;
  /** What all prompts of an image without a mask have in common, once the first of them came; by image. */
  readonly shared: (SharedImage | undefined)[];
}

/** The live model as an engine. It does not own the model. */
export class TensorFlowEngine implements Engine {
  readonly #model: CellSam;
  readonly scaling: Scaling;
  constructor(model: CellSam, scaling: Scaling = 'plain') {
    this.#model = model;
    this.scaling = scaling;
  }

  get side(): number {
    return this.#model.config.vit.imgSize;
  }

  get maskSide(): number {
    return (4 * this.side) / this.#model.config.vit.patchSize;
  }

  get pixelMean(): readonly [number, number, number] {
    return this.#model.config.pixelMean;
  }

  get pixelStd(): readonly [number, number, number] {
    return this.#model.config.pixelStd;
  }

  get hasDynamicThreshold(): boolean {
    return this.#model.config.cellfinder.proposals === 'learned';
  }

  async encode(images: Float32Array, batch: number, detectorImages?: Float32Array): Promise<TensorEmbedding> {
    const tensor = (data: Float32Array) => tf.tensor4d(data, [batch, this.side, this.side, 3]);
    const hasTwo = this.#model.config.layout === 'two';
    const seen = tensor(hasTwo ? (detectorImages ?? images) : images);
    try {
      return hasTwo ? this.#encodeTwice(batch, seen, () => tensor(images)) : this.#encodeOnce(batch, seen);
    } finally {
      seen.dispose();
    }
  }

  #encodeOnce(batch: number, images: tf.Tensor4D): TensorEmbedding {
    const encoded = this.#model.encode(images);
    return {
      batch,
      detector: encoded,
      masks: () => encoded.embedding,
      free: () => disposeEncoded(encoded),
      shared: [],
    };
  }

  #encodeTwice(batch: number, detectorImages: tf.Tensor4D, images: () => tf.Tensor4D): TensorEmbedding {
    const detector = this.#model.encodeForDetector(detectorImages);
    let embedding: tf.Tensor4D | undefined;
    const masks = () => {
      embedding ??= into(images(), (x) => this.#model.encodeForMasks(x as tf.Tensor4D)) as tf.Tensor4D;
      return embedding;
    };
    const free = () => {
      tf.dispose([detector.detectorTokens, detector.stride4 ?? []]);
      embedding?.dispose();
    };
    return { batch, detector, masks, free, shared: [] };
  }

  async detect(embedding: Embedding, sameCell?: number): Promise<Detection[]> {
    const { scores, boxes } = tf.tidy(() =>
      scoredBoxes(this.#model.detect((embedding as TensorEmbedding).detector, undefined, 'last'), this.side),
    );
    try {
      const [values, xyxy] = await Promise.all([scores.data<'float32'>(), boxes.data<'float32'>()]);
      return candidates(values, xyxy, embedding.batch, !this.hasDynamicThreshold, sameCell);
    } finally {
      tf.dispose([scores, boxes]);
    }
  }

  async decode(embedding: Embedding, prompts: readonly (readonly Prompt[])[]): Promise<MaskLogits[]> {
    const results: MaskLogits[] = [];
    for (const [image, wanted] of prompts.entries()) {
      const decode: DecodeKind = (own) => this.#decodeKind(embedding as TensorEmbedding, image, own);
      results.push(await decodeByKind(wanted, this.maskSide, decode));
    }
    return results;
  }

  /** Prompts that are all of one kind. */
  async #decodeKind(
    embedding: TensorEmbedding,
    image: number,
    prompts: readonly Prompt[],
  ): Promise<Omit<MaskLogits, 'side'>> {
    const request = promptTensors(prompts, this.maskSide);
    embedding.masks(); // made here, since a tidy would take it
    const isPlain = 'masks' in request || this.#model.config.promptEncoder.boxAsMask;
    try {
      const { masks, iou } = isPlain
        ? tf.tidy(() => {
            const predicted = this.#model.decode(imageOf(embedding, image), request);
            return { masks: predicted.masks, iou: predicted.iou };
          })
        : await this.#decodeShared(this.#shared(embedding, image), request);
      const [data, quality] = await Promise.all([masks.data<'float32'>(), iou.data<'float32'>()]);
      tf.dispose([masks, iou]);
      return { data, quality };
    } finally {
      tf.dispose(Object.values(request));
    }
  }

  async #decodeShared(shared: SharedImage, request: PromptTensors) {
    const { maskDecoder, promptEncoder, config } = this.#model;
    const sparse = sparsePrompts(request, { height: this.side, width: this.side }, promptEncoder);
    try {
      // Boxes are always as long; a graph for every number of points would be one too many.
      const found = request.boxes && (await decodeCompiled(this.#model, shared, sparse));
      return found ?? maskDecoderForMany(shared, sparse, maskDecoder, config.maskDecoder);
    } finally {
      sparse.dispose();
    }
  }

  /** Kept with the embedding. */
  #shared(embedding: TensorEmbedding, image: number): SharedImage {
    const { maskDecoder, promptEncoder, config } = this.#model;
    const known = embedding.shared[image];
    if (known !== undefined) return known;
    const base = tf.tidy(() => imageOf(embedding, image).add(noMask(promptEncoder)) as tf.Tensor4D);
    const positions = densePositions(base.shape[1], base.shape[2], promptEncoder);
    const shared = sharedImage(base, positions, maskDecoder, config.maskDecoder);
    tf.dispose([base, positions]);
    embedding.shared[image] = shared;
    return shared;
  }

  release(embedding: Embedding): void {
    for (const shared of (embedding as TensorEmbedding).shared)
      if (shared !== undefined) disposeShared(shared);
    (embedding as TensorEmbedding).free();
  }

  dispose(): void {
    // The model belongs to the caller.
  }
}

/** One image of a batch, `[1, h, w, C]`. */
function imageOf({ masks }: TensorEmbedding, image: number): tf.Tensor4D {
  return masks().slice([image, 0, 0, 0], [1, -1, -1, -1]);
}

/** Tensors of prompts that are all of one kind; points are filled up with "no point". */
function promptTensors(prompts: readonly Prompt[], maskSide: number) {
  const n = prompts.length;
  const kind = prompts[0]?.kind;
  if (kind === 'box') {
    const rows = prompts.flatMap((p) => (p.kind === 'box' ? [...p.xyxy] : []));
    return { boxes: tf.tensor2d(rows, [n, 4]) };
  }
  const longest = Math.max(1, ...prompts.map((p) => (p.kind === 'points' ? p.inside.length : 0)));
  const xy = new Float32Array(n * longest * 2);
  const labels = new Float32Array(n * longest).fill(-1);
  for (const [i, p] of prompts.entries()) {
    if (p.kind !== 'points') continue;
    xy.set(p.xy, i * longest * 2);
    labels.set(p.inside, i * longest);
  }
  const points = tf.tensor3d(xy, [n, longest, 2]);
  const pointLabels = tf.tensor2d(labels, [n, longest]);
  if (kind === 'points') return { points, pointLabels };
  const logits = new Float32Array(n * maskSide ** 2);
  for (const [i, p] of prompts.entries()) if (p.kind === 'mask') logits.set(p.logits, i * maskSide ** 2);
  return { points, pointLabels, masks: tf.tensor4d(logits, [n, maskSide, maskSide, 1]) };
}
