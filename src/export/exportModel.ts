import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ExportError, OutputError } from '../core/errors.js';
import { hearSignals, type JobContext, silent } from '../core/events.js';
import { asOutputError, makeFolder, writeFileAtomic } from '../core/files.js';
import { LARGEST_WEIGHTS } from '../graph/protobuf.js';
import { type Program, traceProgram } from '../graph/trace/trace.js';
import type { PixelImage } from '../image/types.js';
import type { CellSam } from '../models/cellsam.js';
import type { Scaling } from '../segment/engine.js';
import { usualOpset } from './onnx/convert.js';
import { boxDecoderProgram } from './programs/boxDecoder.js';
import { candidatesProgram } from './programs/candidates.js';
import { type DecoderMasks, decoderProgram } from './programs/decoder.js';
import { detectorProgram } from './programs/detector.js';
import { encoderProgram } from './programs/encoder.js';
import { segmentBoxesProgram } from './programs/segmentBoxes.js';
import type { ExportFacts, ExportSource, Precision, Runtime, Traced, WrittenFile } from './targets/target.js';
import { type TargetName, targets } from './targets/targets.js';
import { type Case, CaseMaker } from './verify/cases.js';
import { differences } from './verify/difference.js';

export interface ExportOptions {
  readonly to: readonly TargetName[];
  /** Each target writes into a folder of its name below this one. */
  readonly out: string;
  readonly thresholds?: Readonly<Record<string, number | undefined>> | undefined;
  /** Writes over what the folders of the targets hold; else that is an error. */
  readonly overwrite?: boolean;
  /** How images become the model's input; see `Engine.scaling`. */
  readonly scaling?: Scaling;
  readonly training?: string;
  readonly licence?: string;
  /** Further ONNX files with float16 weights or int8 products. */
  readonly smaller?: readonly Precision[];
  readonly opset?: number;
  readonly masks?: DecoderMasks;
  /** Bytes of weights in one file; protobuf's end when absent. */
  readonly weightsUpTo?: number;
  /** Images to compare on; nothing is compared where there are none. */
  readonly images: readonly PixelImage[];
  /** Is given the inputs with what the live model makes of them, for comparisons elsewhere. */
  readonly onCases?: (cases: readonly Case[]) => void;
}

/** One output in one runtime against the live model. */
export interface Comparison {
  readonly target: TargetName;
  readonly runtime: string;
  readonly program: string;
  readonly case: string;
  readonly output: string;
  /** Largest difference over the live tensor's largest magnitude. */
  readonly relative: number;
  readonly limit: number | undefined;
}

export interface ExportResult {
  readonly files: readonly WrittenFile[];
  readonly comparisons: readonly Comparison[];
  readonly notes: readonly string[];
}

/** Everything of a model that is exported. */
export function programsOf(model: CellSam, masks: DecoderMasks = 'single'): Program[] {
  return [
    encoderProgram(model),
    detectorProgram(model),
    decoderProgram(model, masks),
    boxDecoderProgram(model),
    segmentBoxesProgram(model),
    candidatesProgram(model),
  ];
}

/**
 * Writes a model in other forms and compares each with the live model, in the form's own runtime. The table of largest
 * differences is stored as `verification.json`.
 *
 * @throws ExportError for a kernel without mapping, or when a float32 form differs by more than its limit
 */
export async function exportModel(
  model: CellSam,
  options: ExportOptions,
  context: JobContext = { emit: silent },
): Promise<ExportResult> {
  const { emit, signal } = context;
  const chosen = await openTargets(options);
  const facts: ExportFacts = {
    config: model.config,
    thresholds: options.thresholds,
    scaling: options.scaling ?? 'plain',
    training: options.training ?? '',
    licence: options.licence ?? '',
    isVerified: options.images.length > 0,
    smaller: options.smaller ?? [],
    opset: options.opset ?? usualOpset,
    weightsUpTo: options.weightsUpTo ?? LARGEST_WEIGHTS,
  };
  for (const { target } of chosen) target.check?.(facts);
  emit({ kind: 'stage', title: 'Tracing the model' });
  // Comparing starts with the encoder's results.
  const isWanted = (name: string) =>
    name === 'encoder' || chosen.some(({ target }) => target.programs.includes(name));
  const wanted = programsOf(model, options.masks).filter(({ name }) => isWanted(name));
  const traced: Traced[] = [];
  for (const program of wanted) {
    traced.push({ program, graph: traceProgram(program) });
    await hearSignals(signal);
  }
  const cases: Case[] = [];
  if (facts.isVerified) {
    emit({ kind: 'stage', title: 'Running the live model' });
    for await (const each of new CaseMaker(model, options.images).cases(wanted)) {
      cases.push(each);
      await hearSignals(signal);
    }
  }
  options.onCases?.(cases);
  const source: ExportSource = { ...facts, traced, cases };
  const files: WrittenFile[] = [];
  const comparisons: Comparison[] = [];
  const notes: string[] = [];
  if (
    facts.scaling === 'published' &&
    chosen.some(({ name }) => name === 'savedmodel' || name === 'bioimageio')
  )
    notes.push(
      'the model wants the input scaling that CellSAM was released with, which these forms leave to the caller: ' +
        '`segment_boxes` stretches percentiles instead',
    );
  for (const { name, target, folder } of chosen) {
    const has = (program: string) => target.programs.includes(program);
    const own = { ...source, traced: traced.filter(({ program }) => has(program.name)) };
    emit({ kind: 'stage', title: `Writing ${folder}` });
    files.push(...(await target.write(own, folder)));
    await hearSignals(signal);
    if (cases.length === 0) continue;
    emit({ kind: 'stage', title: `Comparing ${folder}` });
    const runtimes = await target.runtimes(own, folder, (message) => void notes.push(message));
    for (const runtime of runtimes)
      comparisons.push(
        ...(await compare(
          name,
          runtime,
          cases.filter((c) => has(c.program)),
        )),
      );
  }
  const table = { files, comparisons, notes };
  await writeTable(options.out, table);
  demandEqual(comparisons, options.out);
  return table;
}

/** Stores the result as `verification.json`. */
export const writeTable = (out: string, table: object): Promise<void> =>
  writeFileAtomic(join(out, 'verification.json'), `${JSON.stringify(table, undefined, 2)}\n`);

/** What is wanted, each with a folder of its own. @throws OutputError when one holds something, or cannot be made */
async function openTargets({ to, out, overwrite = false }: ExportOptions) {
  const chosen = [];
  for (const name of new Set(to)) {
    const folder = join(out, name);
    try {
      await makeFolder(folder);
    } catch (thrown) {
      throw asOutputError(folder, thrown);
    }
    if (!overwrite && (await readdir(folder)).length > 0)
      throw new OutputError(`${folder} holds something already`, {
        where: folder,
        fix: 'name another folder with --out, or add --overwrite',
      });
    chosen.push({ name, folder, target: await targets[name]() });
  }
  return chosen;
}

/** One program after another, and none stays open: runtimes keep what a program needed while it ran. */
async function compare(target: TargetName, runtime: Runtime, cases: readonly Case[]): Promise<Comparison[]> {
  const { name, limit } = runtime;
  const found: Comparison[] = [];
  for (const program of new Set(cases.map((c) => c.program))) {
    const opened = await runtime.open(program);
    try {
      for (const { label, inputs, outputs } of cases.filter((c) => c.program === program)) {
        const exported = await opened.run(inputs);
        for (const { output, relative } of differences(outputs, exported))
          found.push({ target, runtime: name, program, case: label, output, relative, limit });
      }
    } finally {
      await opened.dispose();
    }
  }
  return found;
}

function demandEqual(comparisons: readonly Comparison[], out: string): void {
  const wrong = comparisons.filter(({ relative, limit }) => limit !== undefined && !(relative <= limit));
  if (wrong.length === 0) return;
  throw new ExportError(`${wrong.length} outputs of the exported model differ from the live model's`, {
    where: join(out, 'verification.json'),
    problems: wrong.map(({ runtime, program, case: label, output, relative, limit }) => ({
      where: `${runtime}, ${program}`,
      message: `\`${output}\` (${label}) differs by ${relative.toExponential(1)}; at most ${limit} is right`,
    })),
  });
}
