import { PassThrough } from 'node:stream';
import { expect, test } from '@jest/globals';
import { interruptible } from '../../src/cli/interrupt.js';

test.each(['SIGINT', 'SIGTERM'] as const)(
  'the first %s asks the job to stop, and promises no more than every verb keeps',
  (name) => {
    const talk = new PassThrough();
    const { signal, end } = interruptible(talk);
    process.emit(name);
    end();
    expect(signal.aborted).toBe(true);
    const text = String(talk.read());
    expect(text).toContain('what is finished is kept (Ctrl-C again leaves at once)');
    expect(text).not.toMatch(/saving|this step/);
  },
);
