import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { reason, WeightsError } from '../../core/errors.js';
import type { Detection, MaskLogits, Prompt } from '../../models/types.js';
import { candidates } from '../candidates.js';
import type { Embedding, Engine, Scaling } from '../engine.js';
import type { Thresholds } from '../thresholds.js';
import { type DecodeKind, decodeByKind } from './decodeByKind.js';
import { OnnxSession, type SessionArray, type SessionArrays } from './onnxSession.js';

const triple = z.tuple([z.number(), z.number(), z.number()]);

/** `cellsam.json` beside the files; written by src/export/targets/onnx.ts. */
const description = z.object({
  format: z.literal('cellsam-onnx-1'),
  side: z.number(),
  maskSide: z.number(),
  pixelMean: triple,
  pixelStd: triple,
  proposals: z.enum(['learned', 'dense']),
  scaling: z.enum(['plain', 'published']).default('plain'),
  smaller: z.array(z.enum(['float16', 'int8'])).default([]),
  thresholds: z
    .object({
      ...{ box: z.number(), boxShare: z.number(), meanShare: z.number(), iou: z.number(), mask: z.number() },
      ...{ sameCell: z.number().optional(), objectSide: z.number().optional() },
    })
    .optional(),
});
type Description = z.infer<typeof description>;

/** How the numbers of an exported model are stored. */
export const precisions = ['float32', 'float16', 'int8'] as const;

export interface OnnxOptions {
  /** Which of the exported files; float32 when absent. */
  readonly precision?: (typeof precisions)[number];
  /** In place of the exported model's own. */
  readonly scaling?: Scaling;
}

const PROGRAMS = ['encoder', 'detector', 'decoder', 'box_decoder'] as const;
type Sessions = Readonly<Record<(typeof PROGRAMS)[number], OnnxSession>>;

interface ArrayEmbedding extends Embedding {
  /** The encoder's results and what the detector sees, by the names under which it takes them. */
  readonly arrays: SessionArrays;
}

const float = (shape: readonly number[], data: Float32Array): SessionArray => ({
  shape,
  dtype: 'float32',
  data,
});

/** Exported ONNX files as an engine. */
export class OnnxEngine implements Engine {
  readonly #sessions: Sessions;
  readonly #description: Description;

  private constructor(sessions: Sessions, about: Description) {
    this.#sessions = sessions;
    this.#description = about;
  }

  /**
   * Opens a folder of files.
   *
   * @throws WeightsError when it is not such a folder; SetupError without ONNX Runtime
   */
  static async open(
    folder: string,
    { precision = 'float32', scaling }: OnnxOptions = {},
  ): Promise<{ engine: OnnxEngine; thresholds: Thresholds | undefined }> {
    const path = join(folder, 'cellsam.json');
    let about: Description;
    try {
      about = description.parse(JSON.parse(await readFile(path, 'utf8')));
    } catch (cause) {
      throw new WeightsError(`${folder} does not hold an exported model: ${reason(cause).split('\n')[0]}`, {
        where: path,
        fix: 'make one with `cellsam export --to onnx --out FOLDER`, and name FOLDER/onnx',
        cause,
      });
    }
    if (precision !== 'float32' && !about.smaller.includes(precision))
      throw new WeightsError(`${folder} holds no ${precision} files`, {
        where: path,
        fix: `export it again with \`--smaller ${precision}\``,
      });
    const ending = precision === 'float32' ? 'onnx' : `${precision}.onnx`;
    const opened: [string, OnnxSession][] = [];
    for (const name of PROGRAMS)
      opened.push([name, await OnnxSession.open(join(folder, `${name}.${ending}`))]);
    const own = { ...about, scaling: scaling ?? about.scaling };
    const engine = new OnnxEngine(Object.fromEntries(opened) as Sessions, own);
    return { engine, thresholds: about.thresholds };
  }

  get side(): number {
    return this.#description.side;
  }

  get maskSide(): number {
    return this.#description.maskSide;
  }

  get pixelMean(): readonly [number, number, number] {
    return this.#description.pixelMean;
  }

  get pixelStd(): readonly [number, number, number] {
    return this.#description.pixelStd;
  }

  get scaling(): Scaling {
    return this.#description.scaling;
  }

  get hasDynamicThreshold(): boolean {
    return this.#description.proposals === 'learned';
  }

  async encode(images: Float32Array, batch: number, detectorImages?: Float32Array): Promise<ArrayEmbedding> {
    const { side } = this;
    const planes = (data: Float32Array) => float([batch, 3, side, side], channelsFirst(data, side * side));
    const image = planes(images);
    const encoded = await this.#sessions.encoder.run({ image });
    const content_size = float([batch, 2], new Float32Array(2 * batch).fill(side));
    const seen = detectorImages === undefined ? image : planes(detectorImages);
    return { batch, arrays: { ...encoded, image: seen, content_size } };
  }

  async detect(embedding: Embedding, sameCell?: number): Promise<Detection[]> {
    const { detector } = this.#sessions;
    const { arrays } = embedding as ArrayEmbedding;
    const inputs = detector.inputNames.map((name) => [name, arrays[name] as SessionArray]);
    const { scores, boxes } = await detector.run(Object.fromEntries(inputs));
    const values = (array: SessionArray | undefined) => array?.data as Float32Array;
    return candidates(values(scores), values(boxes), embedding.batch, !this.hasDynamicThreshold, sameCell);
  }

  async decode(embedding: Embedding, prompts: readonly (readonly Prompt[])[]): Promise<MaskLogits[]> {
    const embeddings = (embedding as ArrayEmbedding).arrays['image_embeddings'] as SessionArray;
    const results: MaskLogits[] = [];
    for (const [image, wanted] of prompts.entries()) {
      const own = part(embeddings, image);
      const decode: DecodeKind = async (some) => this.#firstMasks(await this.#decodeKind(own, some));
      results.push(await decodeByKind(wanted, this.maskSide, decode));
    }
    return results;
  }

  /** Of several masks of a prompt the first. */
  #firstMasks(found: SessionArrays): Omit<MaskLogits, 'side'> {
    const masks = found['low_res_masks'] as SessionArray;
    const ious = found['iou_predictions'] as SessionArray;
    const size = this.maskSide ** 2;
    const [prompts = 0, each = 1] = masks.shape;
    const data = new Float32Array(prompts * size);
    for (let i = 0; i < prompts; i++)
      data.set((masks.data as Float32Array).subarray(i * each * size, (i * each + 1) * size), i * size);
    return { data, quality: Float32Array.from({ length: prompts }, (_, i) => Number(ious.data[i * each])) };
  }

  /** Prompts that are all of one kind. */
  #decodeKind(embeddings: SessionArray, prompts: readonly Prompt[]): Promise<SessionArrays> {
    const n = prompts.length;
    if (prompts[0]?.kind === 'box') {
      const rows = prompts.flatMap((p) => (p.kind === 'box' ? [...p.xyxy] : []));
      const boxes = float([n, 4], Float32Array.from(rows));
      return this.#sessions.box_decoder.run({ image_embeddings: embeddings, boxes });
    }
    // Points are filled up with "no point", of which there is always one: there is no box.
    const longest = Math.max(1, ...prompts.map((p) => (p.kind === 'points' ? p.inside.length : 0))) + 1;
    const size = this.maskSide ** 2;
    const xy = new Float32Array(n * longest * 2);
    const labels = new Float32Array(n * longest).fill(-1);
    const masks = new Float32Array(n * size);
    for (const [i, p] of prompts.entries()) {
      if (p.kind === 'points') {
        xy.set(p.xy, i * longest * 2);
        labels.set(p.inside, i * longest);
      } else if (p.kind === 'mask') masks.set(p.logits, i * size);
    }
    return this.#sessions.decoder.run({
      image_embeddings: embeddings,
      point_coords: float([n, longest, 2], xy),
      point_labels: float([n, longest], labels),
      mask_input: float([n, 1, this.maskSide, this.maskSide], masks),
      has_mask_input: float([1], Float32Array.of(prompts[0]?.kind === 'mask' ? 1 : 0)),
      orig_im_size: float([2], Float32Array.of(1, 1)), // its full-size masks are not used
    });
  }

  release(_embedding: Embedding): void {
    // Arrays are the garbage collector's.
  }

  dispose(): void {
    for (const session of Object.values(this.#sessions)) void session.dispose();
  }
}

/** `[B, p, 3]` to `[B, 3, p]`. */
function channelsFirst(data: Float32Array, pixels: number): Float32Array {
  const out = new Float32Array(data.length);
  for (let b = 0; b < data.length; b += 3 * pixels)
    for (let i = 0; i < pixels; i++)
      for (let c = 0; c < 3; c++) out[b + c * pixels + i] = data[b + 3 * i + c] as number;
  return out;
}

/** One image's part of a batch. */
function part({ shape, data }: SessionArray, image: number): SessionArray {
  const [, ...rest] = shape;
  const size = rest.reduce((a, b) => a * b, 1);
  return float([1, ...rest], (data as Float32Array).subarray(image * size, (image + 1) * size));
}
