import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { z } from 'zod';
import { CellsamError, ConfigError, DataError, type Problem, reason } from '../core/errors.js';
import { sha256, sha256OfFile } from '../core/hash.js';
import type { Sample } from '../data/sample.js';
import { boxesOf } from '../image/labels.js';
import { CellSegmenter } from '../segment/cellSegmenter.js';
import { TensorFlowEngine } from '../segment/engines/tensorflow.js';
import type { SegmentOptions } from '../segment/options.js';
import type { Case, Loaded } from './cases.js';
import { type Binary, labelFiles, pairUp, readLabelFile, stemOf } from './labelFiles.js';
import { proposals, segmentWithTrueBoxes } from './parts.js';
import { RecordedEngine } from './recordedEngine.js';

/**
 * Masks of any program against true ones, from two folders. All files are read once here, so that everything that is
 * wrong is known before the first score.
 *
 * @throws DataError naming every unpaired, unreadable, binary or fractional file and every pair of different size
 */
export async function folderCases(predicted: string, truth: string, binary: Binary): Promise<Case[]> {
  const pairs = pairUp(await labelFiles(truth), await labelFiles(predicted));
  const problems: Problem[] = [];
  const cases: Case[] = [];
  for (const pair of pairs) {
    const load = async (): Promise<Loaded> =>
      sameSize(pair, await readLabelFile(pair.truth, binary), await readLabelFile(pair.predicted, binary));
    await collect(problems, pair.id, load);
    const inputs = sha256(await sha256OfFile(pair.truth), await sha256OfFile(pair.predicted));
    cases.push({ dataset: basename(truth), id: pair.id, inputs, load });
  }
  throwAll(problems, pairs.length);
  return cases;
}

/** Masks of any program against the truth of a data set; files are named as its images. @throws DataError as above */
export async function predictedCases(
  dataset: string,
  samples: readonly Sample[],
  predicted: string,
  binary: Binary,
  groups: Groups,
): Promise<Case[]> {
  const files = await labelFiles(predicted);
  const problems: Problem[] = [];
  const cases: Case[] = [];
  for (const sample of samples) {
    const path = files.get(sample.id) ?? files.get(stemOf(basename(sample.id)));
    if (path === undefined) {
      problems.push({ where: sample.id, message: `has no mask in ${predicted}` });
      continue;
    }
    const truth = labelsOf(sample);
    const load = async (): Promise<Loaded> => ({
      ...sameSize({ truth: sample.id, predicted: path }, truth, await readLabelFile(path, binary)),
      image: sample.image,
    });
    await collect(problems, sample.id, load);
    cases.push({ ...caseOf(dataset, sample, groups, await sha256OfFile(path)), load });
  }
  throwAll(problems, samples.length);
  return cases;
}

export interface ModelCaseOptions {
  readonly segment: Partial<SegmentOptions>;
  /** Boxes of the truth in place of the detector's. */
  readonly trueBoxes: boolean;
}

/** Images of a data set that a model segments when they are scored. */
export function modelCases(
  dataset: string,
  samples: readonly Sample[],
  model: CellSegmenter,
  options: ModelCaseOptions,
  groups: Groups,
): Case[] {
  return samples.map((sample) => ({
    ...caseOf(dataset, sample, groups),
    load: async () => {
      const truth = labelsOf(sample);
      const { image } = sample;
      if (options.trueBoxes) {
        const { labels, scores } = await segmentWithTrueBoxes(model, image, truth);
        return { truth, image, predicted: labels, scores };
      }
      // Remembers this one image, so that boxes below the threshold are had without a second pass of the network.
      const { scaling } = model.segmenter.engine;
      const engine = new RecordedEngine(new TensorFlowEngine(model.model, scaling));
      const once = new CellSegmenter(model.model, options.segment, model.segmenter.thresholds, engine);
      try {
        const { labels, scores } = await once.segment(image);
        const found = await proposals(once, image);
        return {
          truth,
          image,
          predicted: labels,
          scores,
          boxes: { truth: boxesOf(truth), found: found.boxes, scores: found.scores },
        };
      } finally {
        engine.dispose();
      }
    },
  }));
}

/** Kind of image by id. */
export type Groups = ReadonlyMap<string, string>;

const groupsFile = z.record(z.string(), z.array(z.string()));

/** Reads `{"<kind>": ["<image id>", ...]}`, or the same below `types`. @throws ConfigError when it is neither */
export async function readGroups(path: string | undefined): Promise<Groups> {
  if (path === undefined) return new Map();
  try {
    const parsed = JSON.parse(await readFile(path, 'utf8')) as { types?: unknown };
    const lists = groupsFile.safeParse(parsed.types ?? parsed);
    if (!lists.success) throw new Error('not every kind has a list of ids');
    return new Map(
      Object.entries(lists.data).flatMap(([name, ids]) => ids.map((id): [string, string] => [id, name])),
    );
  } catch (thrown) {
    throw new ConfigError(`${path} does not tell kinds of images: ${reason(thrown)}`, {
      where: path,
      fix: 'write {"<kind>": ["<image id>", ...]}',
    });
  }
}

function caseOf(dataset: string, sample: Sample, groups: Groups, more = '') {
  const group = groups.get(sample.id);
  const inputs = sha256(sample.source.contentHash, labelsOf(sample).data, more);
  return { dataset, id: sample.id, ...(group === undefined ? {} : { group }), inputs };
}

function labelsOf(sample: Sample) {
  if (sample.instances.kind === 'labels') return sample.instances.labels;
  throw new DataError(`${sample.id} has no masks to score against`, { where: sample.id });
}

function sameSize(
  names: { readonly truth: string; readonly predicted: string },
  truth: Loaded['truth'],
  predicted: Loaded['predicted'],
): Loaded {
  if (truth.height !== predicted.height || truth.width !== predicted.width)
    throw new DataError(
      `${names.predicted} is ${predicted.width} x ${predicted.height}, its truth ${names.truth} ${truth.width} x ${truth.height}`,
      { where: names.predicted },
    );
  return { truth, predicted };
}

async function collect(problems: Problem[], where: string, load: () => Promise<unknown>): Promise<void> {
  try {
    await load();
  } catch (thrown) {
    if (!(thrown instanceof CellsamError)) throw thrown;
    problems.push({
      where: thrown.where ?? where,
      message: thrown.fix === undefined ? thrown.message : `${thrown.message}; ${thrown.fix}`,
    });
  }
}

function throwAll(problems: readonly Problem[], of: number): void {
  if (problems.length > 0)
    throw new DataError(`${problems.length} of ${of} images cannot be scored`, { problems });
}
