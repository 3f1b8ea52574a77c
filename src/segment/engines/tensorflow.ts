import { scoredBoxes } from '../../models/cellfinder/scoredBoxes.js';
import { type CellSam, disposeEncoded, type Encoded } from '../../models/cellsam.js';
import { maskDecoderForMany } from '../../models/sam/maskDecoderForMany.js';
import { densePositions, noMask, sparsePrompts } from '../../models/sam/promptEncoder.js';
import { disposeShared, type SharedImage, sharedImage } from '../../models/sam/sharedImage.js';
import type { Detection, MaskLogits, Prompt } from '../../models/types.js';
import { tf } from '../../tf/index.js';
import { candidates } from '../candidates.js';
import type { Embedding, Engine, Scaling } from '../engine.js';

interface TensorEmbedding extends Embedding {
  readonly encoded: Encoded;
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
    const inputs = detectorImages === undefined ? [tensor(images)] : [tensor(images), tensor(detectorImages)];
    try {
      const encoded = this.#model.encode(inputs[0] as tf.Tensor4D, inputs[1]);
      return { batch, encoded, shared: [] };
    } finally {
      tf.dispose(inputs);
    }
  }

  async detect(embedding: Embedding, sameCell?: number): Promise<Detection[]> {
    const { scores, boxes } = tf.tidy(() => scoredBoxes(this.#model.detect(encodedOf(embedding)), this.side));
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
      const data = new Float32Array(wanted.length * this.maskSide ** 2);
      const quality = new Float32Array(wanted.length);
      for (const kind of ['box', 'points', 'mask'] as const) {
        const at = [...wanted.keys()].filter((i) => wanted[i]?.kind === kind);
        if (at.length > 0)
          await this.#decodeKind(embedding as TensorEmbedding, image, wanted, at, data, quality);
      }
      results.push({ data, side: this.maskSide, quality });
    }
    return results;
  }

  async #decodeKind(
    embedding: TensorEmbedding,
    image: number,
    prompts: readonly Prompt[],
    at: readonly number[],
    data: Float32Array,
    quality: Float32Array,
  ): Promise<void> {
    const request = promptTensors(
      at.map((i) => prompts[i] as Prompt),
      this.maskSide,
    );
    const { maskDecoder, promptEncoder, config } = this.#model;
    const isPlain = 'masks' in request || config.promptEncoder.boxAsMask;
    const shared = isPlain ? undefined : this.#shared(embedding, image);
    const { masks, iou } = tf.tidy(() => {
      if (shared === undefined) {
        const predicted = this.#model.decode(imageOf(embedding, image), request);
        return { masks: predicted.masks, iou: predicted.iou };
      }
      const sparse = sparsePrompts(request, { height: this.side, width: this.side }, promptEncoder);
      return maskDecoderForMany(shared, sparse, maskDecoder, config.maskDecoder);
    });
    const [logits, ious] = await Promise.all([masks.data<'float32'>(), iou.data<'float32'>()]);
    tf.dispose([masks, iou, ...Object.values(request)]);
    const size = this.maskSide ** 2;
    for (const [k, i] of at.entries()) {
      data.set(logits.subarray(k * size, (k + 1) * size), i * size);
      quality[i] = ious[k] as number;
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
    disposeEncoded(encodedOf(embedding));
  }

  dispose(): void {
    // The model belongs to the caller.
  }
}

/** One image of a batch, `[1, h, w, C]`. */
function imageOf({ encoded }: TensorEmbedding, image: number): tf.Tensor4D {
  return encoded.embedding.slice([image, 0, 0, 0], [1, -1, -1, -1]);
}

function encodedOf(embedding: Embedding): Encoded {
  return (embedding as TensorEmbedding).encoded;
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
