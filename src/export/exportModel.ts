import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ExportError } from '../core/errors.js';
import { type JobContext, silent } from '../core/events.js';
import type { PixelImage } from '../image/types.js';
import type { CellSam } from '../models/cellsam.js';
import { usualOpset } from './onnx/convert.js';
import { boxDecoderProgram } from './programs/boxDecoder.js';
import { candidatesProgram } from './programs/candidates.js';
import { type DecoderMasks, decoderProgram } from './programs/decoder.js';
import { detectorProgram } from './programs/detector.js';
import { encoderProgram } from './programs/encoder.js';
import { segmentBoxesProgram } from './programs/segmentBoxes.js';
import type { ExportSource, Precision, Runtime, WrittenFile } from './targets/target.js';
import { type TargetName, targets } from './targets/targets.js';
import { type Program, traceProgram } from './trace/trace.js';
import { type Case, CaseMaker } from './verify/cases.js';
import { differences } from './verify/difference.js';

export interface ExportOptions {
  readonly to: readonly TargetName[];
  /** Each target writes into a folder of its name below this one. */
  readonly out: string;
  readonly thresholds?: Readonly<Record<string, number | undefined>> | undefined;
  readonly training?: string;
  readonly licence?: string;
  /** Further ONNX files with float16 weights or int8 products. */
  readonly smaller?: readonly Precision[];
  readonly opset?: number;
  readonly masks?: DecoderMasks;
  /** Images to compare on; nothing is compared where there are none. */
  readonly images: readonly PixelImage[];
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
  const { emit } = context;
  emit({ kind: 'stage', title: 'Tracing the model' });
  const wanted = programsOf(model, options.masks);
  const traced = wanted.map((program) => ({ program, graph: traceProgram(program) }));
  const cases: Case[] = [];
  if (options.images.length > 0) {
    emit({ kind: 'stage', title: 'Running the live model' });
    for await (const each of new CaseMaker(model, options.images).cases(wanted)) cases.push(each);
  }
  const source: ExportSource = {
    traced,
    cases,
    config: model.config,
    thresholds: options.thresholds,
    training: options.training ?? '',
    licence: options.licence ?? '',
    smaller: options.smaller ?? [],
    opset: options.opset ?? usualOpset,
  };
  const files: WrittenFile[] = [];
  const comparisons: Comparison[] = [];
  const notes: string[] = [];
  await mkdir(options.out, { recursive: true });
  for (const name of options.to) {
    const target = await targets[name]();
    const has = (program: string) => target.programs.includes(program);
    const own = { ...source, traced: traced.filter(({ program }) => has(program.name)) };
    const folder = join(options.out, name);
    emit({ kind: 'stage', title: `Writing ${folder}` });
    files.push(...(await target.write(own, folder)));
    if (cases.length === 0) continue;
    const runtimes = await target.open(own, folder, (message) => void notes.push(message));
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
  await writeFile(join(options.out, 'verification.json'), `${JSON.stringify(table, undefined, 2)}\n`);
  demandEqual(comparisons, options.out);
  return table;
}

async function compare(target: TargetName, runtime: Runtime, cases: readonly Case[]): Promise<Comparison[]> {
  const found: Comparison[] = [];
  try {
    for (const { program, label, inputs, outputs } of cases) {
      const exported = await runtime.run(program, inputs);
      for (const { output, relative } of differences(outputs, exported)) {
        const { name, limit } = runtime;
        found.push({ target, runtime: name, program, case: label, output, relative, limit });
      }
    }
  } finally {
    await runtime.dispose();
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
