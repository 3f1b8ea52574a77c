import { appendFile } from 'node:fs/promises';
import type { JobContext } from '../../core/events.js';
import { asOutputError } from '../../core/files.js';
import { metricsPath } from '../runFolder.js';
import type { Hook, StepReport } from '../trainer.js';

/** Steps over which the progress line averages. */
const RECENT = 20;

/** One progress line, and one line of `metrics.jsonl` a step. */
export function logHook(folder: string, maxSteps: number, { emit }: JobContext): Hook {
  const recent: StepReport[] = [];
  return {
    onStep: async (report) => {
      recent.push(report);
      if (recent.length > RECENT) recent.shift();
      emit({
        kind: 'progress',
        done: report.step,
        total: maxSteps,
        unit: 'steps',
        detail: progressDetail(recent, process.memoryUsage.rss()),
      });
      await appendMetrics(folder, report);
      return undefined;
    },
  };
}

/** `loss 0.312 (score 0.20, box 0.11), learning rate 1.0e-3, 3.1 images/s, 1.2 GB`: means over the steps given. */
export function progressDetail(reports: readonly StepReport[], bytes: number): string {
  const sum = (value: (report: StepReport) => number) =>
    reports.reduce((total, report) => total + value(report), 0);
  const last = reports.at(-1) as StepReport;
  const parts = Object.entries(last.parts).map(([name, value]) => `${name} ${value.toFixed(2)}`);
  const rate = sum((r) => r.images) / sum((r) => r.seconds);
  return [
    `loss ${(sum((r) => r.loss) / reports.length).toFixed(3)} (${parts.join(', ')})`,
    `learning rate ${last.learningRate.toExponential(1)}`,
    rate >= 1 || rate === 0 ? `${rate.toFixed(1)} images/s` : `${(1 / rate).toFixed(1)} s/image`,
    `${(bytes / 1e9).toFixed(1)} GB`,
  ].join(', ');
}

/** @throws OutputError when the disk is full */
export async function appendMetrics(folder: string, line: object): Promise<void> {
  const path = metricsPath(folder);
  await appendFile(path, `${JSON.stringify(line)}\n`).catch((thrown) => {
    throw asOutputError(path, thrown);
  });
}
