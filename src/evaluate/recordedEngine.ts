import { sha256 } from '../core/hash.js';
import type { Detection, MaskLogits, Prompt } from '../models/types.js';
import { type Embedding, type Engine, type Scaling, withoutDuplicates } from '../segment/engine.js';

/** Mask logits are kept up to this; beyond it they are decoded again. */
const MAX_BYTES = 512 * 2 ** 20;

interface RecordedEmbedding extends Embedding {
  readonly key: string;
  readonly images: Float32Array;
  readonly detectorImages: Float32Array | undefined;
  /** Made when the network is needed after all. */
  inner?: Embedding;
}

interface Mask {
  readonly logits: Float32Array;
  readonly quality: number;
}

/**
 * An engine that remembers what it was asked: with other thresholds the same image is segmented again without the
 * network, through the same code. Boxes are kept before duplicates are removed, masks one by one, each under the hash of
 * its image.
 */
export class RecordedEngine implements Engine {
  readonly #inner: Engine;
  readonly #detections = new Map<string, readonly Detection[]>();
  readonly #masks = new Map<string, Mask>();
  readonly #limit: number;
  #bytes = 0;
  /** How often the image encoder ran. */
  encoded = 0;

  constructor(inner: Engine, maxBytes = MAX_BYTES) {
    this.#inner = inner;
    this.#limit = maxBytes;
  }

  get side(): number {
    return this.#inner.side;
  }

  get maskSide(): number {
    return this.#inner.maskSide;
  }

  get pixelMean(): readonly [number, number, number] {
    return this.#inner.pixelMean;
  }

  get pixelStd(): readonly [number, number, number] {
    return this.#inner.pixelStd;
  }

  get hasDynamicThreshold(): boolean {
    return this.#inner.hasDynamicThreshold;
  }

  get scaling(): Scaling {
    return this.#inner.scaling ?? 'plain';
  }

  async encode(
    images: Float32Array,
    batch: number,
    detectorImages?: Float32Array,
  ): Promise<RecordedEmbedding> {
    return { batch, key: sha256(images), images, detectorImages };
  }

  async detect(embedding: Embedding, sameCell?: number): Promise<Detection[]> {
    const own = embedding as RecordedEmbedding;
    const limit = sameCell ?? (this.hasDynamicThreshold ? 1 : 0.3);
    let found = this.#detections.get(own.key);
    if (found === undefined) {
      found = await this.#inner.detect(await this.#live(own), 1);
      this.#detections.set(own.key, found);
    }
    return found.map((detection) => withoutDuplicates(detection, limit));
  }

  async decode(embedding: Embedding, prompts: readonly (readonly Prompt[])[]): Promise<MaskLogits[]> {
    const own = embedding as RecordedEmbedding;
    const size = this.maskSide ** 2;
    const results: MaskLogits[] = [];
    for (const [image, wanted] of prompts.entries()) {
      const keys = wanted.map((prompt) =>
        prompt.kind === 'box' ? `${own.key}/${image}/${prompt.xyxy}` : '',
      );
      const missing = [...keys.keys()].filter((i) => !this.#masks.has(keys[i] as string));
      const data = new Float32Array(wanted.length * size);
      const quality = new Float32Array(wanted.length);
      if (missing.length > 0) {
        const request = prompts.map((_, b) => (b === image ? missing.map((i) => wanted[i] as Prompt) : []));
        const fresh = (await this.#inner.decode(await this.#live(own), request))[image] as MaskLogits;
        for (const [k, i] of missing.entries()) {
          const logits = fresh.data.slice(k * size, (k + 1) * size);
          data.set(logits, i * size);
          quality[i] = fresh.quality[k] as number;
          this.#keep(keys[i] as string, { logits, quality: quality[i] as number });
        }
      }
      const isMissing = new Set(missing);
      for (const [i, key] of keys.entries()) {
        if (isMissing.has(i)) continue;
        const known = this.#masks.get(key) as Mask;
        data.set(known.logits, i * size);
        quality[i] = known.quality;
      }
      results.push({ data, side: this.maskSide, quality });
    }
    return results;
  }

  release(embedding: Embedding): void {
    const { inner } = embedding as RecordedEmbedding;
    if (inner !== undefined) this.#inner.release(inner);
  }

  dispose(): void {
    this.#detections.clear();
    this.#masks.clear();
    this.#inner.dispose();
  }

  async #live(own: RecordedEmbedding): Promise<Embedding> {
    if (own.inner === undefined) {
      own.inner = await this.#inner.encode(own.images, own.batch, own.detectorImages);
      this.encoded++;
    }
    return own.inner;
  }

  #keep(key: string, mask: Mask): void {
    if (key === '' || this.#bytes + mask.logits.byteLength > this.#limit) return;
    this.#bytes += mask.logits.byteLength;
    this.#masks.set(key, mask);
  }
}
