import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobContext } from '../../core/events.js';
import type { Hook, StepReport } from '../trainer.js';

/** One progress line, and one line of `metrics.jsonl` a step. */
export function logHook(folder: string, maxSteps: number, { emit }: JobContext): Hook {
  const recent: number[] = [];
  return {
    onStep: async (report: StepReport) => {
      recent.push(report.loss);
      if (recent.length > 20) recent.shift();
      const loss = recent.reduce((a, b) => a + b, 0) / recent.length;
      const parts = Object.entries(report.parts).map(([name, value]) => `${name} ${value.toFixed(2)}`);
      const memory = (process.memoryUsage.rss() / 1e9).toFixed(1);
      const detail = `loss ${loss.toFixed(3)} (${parts.join(', ')}), learning rate ${report.learningRate.toExponential(1)}, ${memory} GB`;
      emit({ kind: 'progress', done: report.step, total: maxSteps, unit: 'steps', detail });
      await appendFile(join(folder, 'metrics.jsonl'), `${JSON.stringify(report)}\n`);
      return undefined;
    },
  };
}
