import { rmdir } from 'node:fs/promises';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { OutputError } from '../core/errors.js';
import { asOutputError, exists, makeFolder, readTextIfThere, writeFileAtomic } from '../core/files.js';
import { lockFolder } from '../core/lock.js';

/** One line of `metrics.jsonl`: a step, or a look at the validation part. */
export type MetricLine = Readonly<Record<string, unknown>> & {
  readonly step: number;
  readonly validationF1?: number;
};

/**
 * Takes a run's folder for this process.
 *
 * @returns gives it back
 * @throws OutputError when it holds another run, or none although it should, cannot be written, or another process works in it
 */
export async function claimFolder(folder: string, resume: boolean): Promise<() => Promise<void>> {
  const has = (file: string) => exists(join(folder, file));
  if (!(await has('config.yaml')) && resume)
    throw new OutputError(`there is no run in ${folder}`, { where: folder, fix: 'check the path' });
  const checkpoints = join(folder, 'checkpoints');
  const fix = 'choose a folder that you may write to, with run.folder=FOLDER';
  await makeFolder(checkpoints, fix);
  const unlock = await lockFolder(folder).catch((thrown: unknown) => {
    throw asOutputError(folder, thrown, fix);
  });
  const release = async () => {
    await unlock();
    if (await has('config.yaml')) return;
    // The run failed before it began: folders that hold nothing go, others refuse.
    for (const empty of [checkpoints, folder]) await rmdir(empty).catch(() => undefined);
  };
  if (resume || !(await has('config.yaml'))) return release;
  await release();
  throw new OutputError(`the run folder ${folder} exists already`, {
    where: folder,
    fix: `go on with it: --resume ${folder}; or choose another with run.folder=FOLDER`,
  });
}

/**
 * Takes back what a killed run logged after its last checkpoint: those steps and looks come again.
 *
 * @param step of the checkpoint @param lastLook step of the newest look that it knows
 */
export async function trimMetrics(folder: string, step: number, lastLook: number): Promise<void> {
  const kept = (await readMetrics(folder)).filter((line) =>
    line.validationF1 === undefined ? line.step <= step : line.step <= lastLook,
  );
  await writeFileAtomic(metricsPath(folder), kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

/** Every whole line of `metrics.jsonl`; a line that was cut off by a kill is left out. */
export async function readMetrics(folder: string): Promise<MetricLine[]> {
  const text = (await readTextIfThere(metricsPath(folder))) ?? '';
  return text.split('\n').flatMap((line) => {
    try {
      const parsed = JSON.parse(line) as MetricLine;
      return typeof parsed.step === 'number' ? [parsed] : [];
    } catch {
      return [];
    }
  });
}

export const metricsPath = (folder: string): string => join(folder, 'metrics.jsonl');

/** What a run's folder says of its state. */
export async function writeStatus(folder: string, status: object): Promise<void> {
  await writeFileAtomic(join(folder, 'status.json'), JSON.stringify(status, null, 2));
}

/** True when a run has done all that its configuration asks for. */
export async function isFinished(folder: string): Promise<boolean> {
  const text = (await readTextIfThere(join(folder, 'status.json'))) ?? '{}';
  return (JSON.parse(text) as { state?: string }).state === 'done';
}

/** On what the run was made: versions, processor, memory, and what the job adds. */
export async function writeEnvironment(folder: string, details: object): Promise<void> {
  const machine = {
    node: process.versions.node,
    platform: `${platform()} ${arch()}`,
    processor: cpus()[0]?.model,
    threads: availableParallelism(),
    memoryGb: Math.round(totalmem() / 1e9),
  };
  await writeFileAtomic(
    join(folder, 'environment.json'),
    JSON.stringify({ ...machine, ...details }, null, 2),
  );
}
