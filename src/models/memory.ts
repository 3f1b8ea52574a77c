import { weightSpecs } from './cellsam.js';
import type { ModelConfig } from './options.js';

/** What is computed, as far as it matters for memory. */
export interface MemoryRequest {
  /** `forward`: one image encoded and detected, and `prompts` decoded in one call, nothing kept; the others are training stages. */
  readonly what: 'forward' | 'detector' | 'masks' | 'joint';
  readonly batchSize: number;
  /** Prompts of the mask decoder in a step, or call, per image. */
  readonly prompts?: number;
  /** Whether a weight is trained, by its published name; all that can be when absent. */
  readonly isTrained?: (name: string) => boolean;
  /** Blocks are computed again in the backward pass. */
  readonly recompute?: boolean;
  /** A running average of the trained weights is kept. */
  readonly hasAverage?: boolean;
}

/** Bytes by cause; `total` is the estimated peak of the process. */
export interface MemoryEstimate {
  /** Node and TensorFlow before the model exists. */
  readonly program: number;
  readonly weights: number;
  /** Moments of the optimiser and the running average. */
  readonly optimiser: number;
  readonly gradients: number;
  /** Kept from the forward pass for the backward pass. */
  readonly activations: number;
  /** Passing results of the largest part. */
  readonly working: number;
  readonly total: number;
}

const FLOAT = 4;
const MIB = 2 ** 20;
/** Resident after TensorFlow has loaded and multiplied once (2.21, Linux x86-64). */
const PROGRAM = 400 * MIB;
/** What TensorFlow's pools hold beyond what is used at the peak of a step with recomputation, at most. */
const HOLES = 400 * MIB;
/** The same where everything is kept: the pools grow with it. */
const HOLES_SHARE = 1.25;

/**
 * Estimates the peak resident memory of a forward pass or a training step from sizes alone. Constants were fitted to
 * `npm run bench -- memory`.
 */
export function estimateMemory(config: ModelConfig, request: MemoryRequest): MemoryEstimate {
  const isTraining = request.what !== 'forward';
  const isTrained = (name: string) => isTraining && (request.isTrained?.(name) ?? true);
  let all = 0;
  let trained = 0;
  for (const [name, spec] of weightSpecs(config)) {
    const size = spec.shape.reduce((a, b) => a * b, 1);
    all += size;
    if ((spec.isTrainable ?? true) && isTrained(name) && isReached(name, request.what)) trained += size;
  }
  const parts = [...vitParts(config, request, isTrained), ...headParts(config, request)];
  const recompute = request.recompute ?? true;
  const kept = parts.reduce((sum, part) => sum + part.kept, 0) * (recompute ? 1 : HOLES_SHARE);
  const working = Math.max(...parts.map((part) => part.working));
  const estimate = {
    program: PROGRAM,
    weights: FLOAT * all,
    optimiser: FLOAT * trained * (request.hasAverage === true ? 3 : 2),
    gradients: FLOAT * trained,
    activations: FLOAT * kept,
    working: FLOAT * working + (isTraining && recompute ? Math.min(HOLES, FLOAT * (kept + working)) : 0),
  };
  // Gradients grow while what was kept shrinks.
  const moving = Math.max(estimate.activations, estimate.gradients) + estimate.working;
  return { ...estimate, total: estimate.program + estimate.weights + estimate.optimiser + moving };
}

/** Whether a stage's loss depends on a weight. */
function isReached(name: string, what: MemoryRequest['what']): boolean {
  const isDetector = name.startsWith('cellfinder.');
  const isMasks = /\.(neck\.|prompt_encoder\.|mask_decoder\.)/.test(name);
  if (what === 'masks') return !isDetector;
  return what === 'joint' || !isMasks;
}

/** Numbers kept for the backward pass, and numbers in passing. */
interface Part {
  readonly kept: number;
  readonly working: number;
}

function vitParts(config: ModelConfig, request: MemoryRequest, isTrained: (name: string) => boolean): Part[] {
  const { vit } = config;
  const grid = vit.imgSize / vit.patchSize;
  const rows = request.batchSize * grid * grid * vit.embedDim;
  const names = [...weightSpecs(config).keys()].filter((name) =>
    /(image_encoder|backbone\.body)\./.test(name),
  );
  const encoders = config.layout === 'two' && request.what !== 'masks' ? 2 : 1;
  const isBelow = (i: number) => (name: string) => {
    const block = /\.blocks\.(\d+)\./.exec(name);
    return !name.includes('.neck.') && (block === null || Number(block[1]) <= i) && isTrained(name);
  };
  return Array.from({ length: vit.depth }, (_, i) => {
    const isGlobal = vit.windowSize === 0 || vit.globalAttnIndexes.includes(i);
    const side = isGlobal ? grid : vit.windowSize;
    const padded = rows * ((Math.ceil(grid / side) * side) / grid) ** 2;
    const scores = (padded / vit.embedDim) * side * side * vit.numHeads;
    if (!names.some(isBelow(i))) return { kept: 0, working: 9 * padded + 6 * 2 ** 21 };
    if (request.recompute ?? true)
      return { kept: encoders * (rows + padded), working: 14 * padded + 10 * 2 ** 21 };
    return {
      kept: encoders * (14 * rows + 14 * padded + 6 * vit.mlpRatio * rows + 3 * scores),
      working: 3 * scores + 10 * padded,
    };
  });
}

function headParts(config: ModelConfig, request: MemoryRequest): Part[] {
  const parts: Part[] = [];
  if (request.what !== 'masks') parts.push(detectorPart(config, request));
  if (request.what === 'forward') parts.push(callPart(config, request.prompts ?? 0));
  if (request.what === 'masks' || request.what === 'joint') parts.push(maskPart(config, request));
  return parts;
}

function detectorPart(config: ModelConfig, request: MemoryRequest): Part {
  const { cellfinder: c, vit } = config;
  const grid = vit.imgSize / vit.patchSize;
  if (c.proposals === 'dense') {
    const cells = request.batchSize * (vit.imgSize / c.denseStride) ** 2 * c.denseChannels;
    return { kept: request.what === 'forward' ? 0 : 14 * cells, working: 6 * cells };
  }
  const queries = c.numQueryPosition * c.numQueryPattern;
  const tokens = grid * grid;
  const layer = (n: number, isDecoder: boolean) => {
    const width = request.batchSize * n * c.hiddenDim;
    const mixed = c.attentionType === 'RCDA' ? width * grid : request.batchSize * n * tokens * c.nheads;
    return { width, inner: 4 * mixed + (isDecoder ? 4 * request.batchSize * n * n * c.nheads : 0) };
  };
  const encoder = layer(tokens, false);
  const decoder = layer(queries, true);
  const input = c.encLayers * 3 * encoder.width + c.decLayers * 4 * decoder.width;
  const positions = 12 * (encoder.width + decoder.width);
  if (request.what === 'forward')
    return { kept: input / 2, working: Math.max(encoder.inner, decoder.inner) / 2 };
  if (request.recompute ?? true)
    return {
      kept: c.encLayers * 6 * encoder.width + c.decLayers * 18 * decoder.width + positions,
      working: 100 * Math.max(encoder.width, decoder.width) + 25 * 2 ** 21,
    };
  return {
    kept: input * 8 + c.encLayers * encoder.inner + c.decLayers * decoder.inner,
    working: Math.max(encoder.inner, decoder.inner),
  };
}

/**
 * A decoder's call. Factors are of the live tensors at its peak: prompts that change the image have tokens of it each, others
 * share them.
 */
function callPart(config: ModelConfig, prompts: number): Part {
  const grid = config.vit.imgSize / config.vit.patchSize;
  const each = grid * grid * config.maskDecoder.transformerDim;
  return { kept: 0, working: prompts * each * (config.promptEncoder.boxAsMask ? 24 : 3) };
}

function maskPart(config: ModelConfig, request: MemoryRequest): Part {
  const grid = config.vit.imgSize / config.vit.patchSize;
  const prompts = request.batchSize * (request.prompts ?? 1);
  const stream = grid * grid * config.maskDecoder.transformerDim;
  const losses = prompts * 16 * grid * grid * 30;
  const each = stream * (20 * config.maskDecoder.depth + 40);
  const atOnce = (request.recompute ?? true) ? 1.3 * Math.min(prompts, 2) : prompts;
  return { kept: losses + ((request.recompute ?? true) ? 0 : prompts * each), working: atOnce * each };
}
