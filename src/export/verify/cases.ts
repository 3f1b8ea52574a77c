import { Random } from '../../core/random.js';
import type { NamedTensors } from '../../graph/trace/record.js';
import type { Sizes } from '../../graph/trace/symbols.js';
import { type Program, runProgram } from '../../graph/trace/trace.js';
import type { PixelImage } from '../../image/types.js';
import type { CellSam } from '../../models/cellsam.js';
import type { SessionArray, SessionArrays } from '../../segment/engines/onnxSession.js';
import { TensorFlowEngine } from '../../segment/engines/tensorflow.js';
import { frameOf, stretchOf } from '../../segment/preprocess.js';
import { tf } from '../../tf/index.js';
import { gridOf } from '../programs/parts.js';
import { toArrays, toTensors } from './difference.js';

/** Inputs of one program and what the live model makes of them. */
export interface Case {
  readonly program: string;
  /** Sizes, as printed. */
  readonly label: string;
  readonly inputs: SessionArrays;
  readonly outputs: SessionArrays;
}

/** Prompts at once: one, an odd number, and many, through one file; traces have other numbers. */
const PROMPTS = [1, 7, 64] as const;
/** As many as the segmenter gives the live model at once: 64 take six gigabytes of `vit_b`. */
const AT_ONCE = 8;
const float = (shape: readonly number[], data: Float32Array): SessionArray => ({
  shape,
  dtype: 'float32',
  data,
});

/**
 * Runs the live model on real images, for comparison with what was exported: the encoder on each image alone and on all
 * at once, the detector on the encoder's results, the decoders on 1, 7 and 64 prompts.
 */
export class CaseMaker {
  readonly #model: CellSam;
  readonly #images: readonly PixelImage[];
  readonly #random = new Random('export');

  constructor(model: CellSam, images: readonly PixelImage[]) {
    this.#model = model;
    this.#images = images;
  }

  async *cases(programs: readonly Program[]): AsyncGenerator<Case> {
    const of = (name: string) => programs.find((p) => p.name === name);
    const encoder = of('encoder') as Program;
    const frames = this.#frames();
    const encoded = frames.map((available) => this.#case(encoder, taken(encoder, available)));
    yield* encoded;
    const embedding = encoded[0]?.outputs['image_embeddings'] as SessionArray;
    const detector = of('detector');
    if (detector !== undefined)
      for (const [i, { outputs }] of encoded.entries())
        yield this.#case(detector, taken(detector, { ...frames[i], ...outputs }));
    const one = first(embedding);
    for (const count of PROMPTS) {
      const boxes = of('box_decoder');
      const box_prompts = { image_embeddings: one, boxes: this.#boxes(count) };
      if (boxes !== undefined) yield this.#case(boxes, box_prompts, { P: count });
      const decoder = of('decoder');
      if (decoder !== undefined) yield this.#decoded(decoder, one, count);
    }
    const whole = of('segment_boxes');
    if (whole !== undefined) yield this.#segmented(whole);
    const both = of('candidates');
    if (both !== undefined)
      yield this.#case(both, { image: this.#pixels(frames[0]?.['image'] as SessionArray) });
  }

  #case(program: Program, inputs: SessionArrays, sizes: Sizes = {}): Case {
    const outputs = runLive(program, inputs, sizes);
    const shape = Object.values(inputs)[0]?.shape ?? [];
    const label =
      Object.keys(sizes).length === 0
        ? `batch ${shape[0]}`
        : Object.entries(sizes)
            .map(([k, v]) => `${k} ${v}`)
            .join(', ');
    return { program: program.name, label, inputs, outputs };
  }

  /** The first image alone; where frames are small, all images as one batch. */
  #frames(): SessionArrays[] {
    const { imgSize: side } = this.#model.config.vit;
    const engine = new TensorFlowEngine(this.#model);
    const frames = this.#images.map((image) => frameOf(image, stretchOf(image), engine, 'pad'));
    const planes = frames.map(({ data }) => channelsFirst(data));
    const batch = (count: number): SessionArrays => {
      const data = new Float32Array(count * 3 * side * side);
      for (let i = 0; i < count; i++) data.set(planes[i] as Float32Array, i * 3 * side * side);
      const size = Float32Array.from(frames.slice(0, count).flatMap(({ input }) => [...input]));
      return { image: float([count, 3, side, side], data), content_size: float([count, 2], size) };
    };
    const counts = side <= 512 && planes.length > 1 ? [1, planes.length] : [1];
    return counts.map(batch);
  }

  #decoded(program: Program, embedding: SessionArray, count: number): Case {
    const grid = 4 * gridOf(this.#model);
    const hasMask = count === 7 ? 1 : 0;
    const boxes = this.#boxes(count).data as Float32Array;
    const hasPoint = count !== 1;
    const n = hasPoint ? 3 : 2;
    const points = new Float32Array(count * n * 2);
    const labels = new Float32Array(count * n);
    for (let p = 0; p < count; p++) {
      const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = boxes.subarray(4 * p, 4 * p + 4);
      points.set(hasPoint ? [(x0 + x1) / 2, (y0 + y1) / 2, x0, y0, x1, y1] : [x0, y0, x1, y1], p * n * 2);
      labels.set(hasPoint ? [p % 2, 2, 3] : [2, 3], p * n);
    }
    const [height, width] = [61 + count, 131 - count];
    const inputs = {
      image_embeddings: embedding,
      point_coords: float([count, n, 2], points),
      point_labels: float([count, n], labels),
      mask_input: float([count, 1, grid, grid], this.#logits(hasMask, count * grid * grid)),
      has_mask_input: float([1], Float32Array.of(hasMask)),
      orig_im_size: float([2], Float32Array.of(height, width)),
    };
    return this.#case(program, inputs, { P: count, N: n, H: height, W: width });
  }

  /** A normalised image as values 0..255. */
  #pixels({ shape, data }: SessionArray): SessionArray {
    const { pixelMean, pixelStd } = this.#model.config;
    const plane = data.length / 3;
    const values = Float32Array.from(data as Float32Array, (v, i) => {
      const c = Math.floor(i / plane);
      return Math.min(255, Math.max(0, v * (pixelStd[c] as number) + (pixelMean[c] as number)));
    });
    return float(shape, values);
  }

  /** The first image as a picture of bytes. */
  #segmented(program: Program): Case {
    const { height, width, channels, data, range } = this.#images[0] as PixelImage;
    const scale = 255 / (range[1] - range[0]);
    const pixels = new Uint8Array(height * width * 3);
    for (let i = 0; i < pixels.length; i++)
      pixels[i] =
        (data[Math.floor(i / 3) * channels.length + (i % 3) * Number(channels.length === 3)] as number) *
        scale;
    const side = this.#model.config.vit.imgSize;
    const inImage = Math.max(height, width) / side;
    const boxes = (this.#boxes(3).data as Float32Array).map((v) => v * inImage);
    const inputs = {
      image: { shape: [height, width, 3], dtype: 'uint8', data: pixels } as const,
      boxes: float([3, 4], boxes),
    };
    return this.#case(program, inputs, { P: 3, H: height, W: width });
  }

  #logits(scale: number, count: number): Float32Array {
    return Float32Array.from({ length: count }, () => scale * this.#random.uniform(-8, 8));
  }

  /** `[count, 4]` of the size of cells. */
  #boxes(count: number): SessionArray {
    const { imgSize: side } = this.#model.config.vit;
    const rows = Array.from({ length: count }, () => {
      const [x, y] = [this.#random.uniform(0, 0.8 * side), this.#random.uniform(0, 0.8 * side)];
      return [x, y, x + this.#random.uniform(8, 0.2 * side), y + this.#random.uniform(8, 0.2 * side)];
    });
    return float([count, 4], Float32Array.from(rows.flat()));
  }
}

/** The live model's outputs; many prompts are given to it a few at a time. */
function runLive(program: Program, inputs: SessionArrays, sizes: Sizes): SessionArrays {
  const tensors = Object.entries(toTensors(inputs));
  const { P = 1 } = sizes;
  const results = tf.tidy(() => {
    const parts = Array.from({ length: Math.ceil(P / AT_ONCE) }, (_, i) => {
      const [from, count] = [i * AT_ONCE, Math.min(AT_ONCE, P - i * AT_ONCE)];
      const of = (t: tf.Tensor) =>
        P > AT_ONCE && t.shape[0] === P
          ? t.slice([from, ...t.shape.slice(1).map(() => 0)], [count, ...t.shape.slice(1)])
          : t;
      const own = Object.fromEntries(tensors.map(([name, t]) => [name, of(t)]));
      return runProgram(program, own, { ...sizes, P: count });
    });
    const names = Object.keys(parts[0] as NamedTensors);
    const joined = (name: string) => tf.concat(parts.map((part) => part[name] as tf.Tensor));
    return Object.fromEntries(names.map((name) => [name, joined(name)]));
  });
  const outputs = toArrays(results);
  tf.dispose([...tensors.map(([, t]) => t), ...Object.values(results)]);
  return outputs;
}

/** Those of some arrays that a program takes. */
function taken(program: Program, available: SessionArrays): SessionArrays {
  const example = program.inputs({ B: 2 });
  tf.dispose(Object.values(example));
  return Object.fromEntries(Object.keys(example).map((name) => [name, available[name] as SessionArray]));
}

function channelsFirst(pixels: Float32Array): Float32Array {
  const plane = pixels.length / 3;
  const out = new Float32Array(pixels.length);
  for (let i = 0; i < plane; i++)
    for (let c = 0; c < 3; c++) out[c * plane + i] = pixels[3 * i + c] as number;
  return out;
}

/** The first image's part of a batch. */
function first({ shape, data }: SessionArray): SessionArray {
  const size = shape.slice(1).reduce((a, b) => a * b, 1);
  return float([1, ...shape.slice(1)], (data as Float32Array).slice(0, size));
}
