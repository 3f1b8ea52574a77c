import { describe, expect, test } from '@jest/globals';
import { progressText } from '../../src/cli/progress.js';
import { progressDetail } from '../../src/train/hooks/log.js';
import type { StepReport } from '../../src/train/trainer.js';

const report = (loss: number, seconds: number): StepReport => ({
  step: 40,
  epoch: 0,
  loss,
  parts: { ce: 0.25, bbox: loss - 0.25 },
  gradientNorm: 1,
  learningRate: 1e-4,
  images: 2,
  seconds,
});

describe('the progress line of training', () => {
  test('has step, time left, loss with its parts, learning rate, speed and memory', () => {
    const detail = progressDetail([report(1, 0.5), report(0.5, 1.5)], 3.25e9);
    const event = { kind: 'progress', done: 40, total: 100, unit: 'steps', detail } as const;
    expect(progressText(event, { at: 0, done: 0 }, 20_000)).toBe(
      '  40/100 steps, 2.0 steps/s, 30 s left, loss 0.750 (ce 0.25, bbox 0.25), learning rate 1.0e-4, 2.0 images/s, 3.3 GB',
    );
  });

  test('turns a slow speed into seconds an image', () => {
    expect(progressDetail([report(1, 40)], 1e9)).toContain('20.0 s/image');
  });
});
