import { expect, test } from '@jest/globals';
import { explain } from '../../src/cli/explain.js';
import { createProgress } from '../../src/cli/progress.js';
import { DataError } from '../../src/core/errors.js';
import { IncompleteError } from '../../src/data/formats/incomplete.js';

const options = { debug: false, version: '1' };

function listener(terminal: object) {
  const pieces: string[] = [];
  const talk = { ...terminal, write: (piece: string) => pieces.push(piece) > 0 };
  return { talk: talk as unknown as NodeJS.WritableStream, text: () => pieces.join('') };
}

test('every kind of data error is told as one, each place once', () => {
  const problems = [
    { where: 'a.png', message: 'a.png cannot be read' },
    { where: 'b.png', message: 'a.png is its twin' },
  ];
  const told = [
    'Data: two are wrong',
    '  a.png  cannot be read',
    '  b.png  a.png is its twin',
    'To mend it: mend them.',
  ];
  const details = { problems, fix: 'mend them' };
  expect(explain(new DataError('two are wrong', details), options).split('\n')).toEqual(told);
  expect(explain(new IncompleteError('two are wrong', details, []), options).split('\n')).toEqual(told);
});

test('a terminal that does not tell its width shows whole lines', () => {
  const { talk, text } = listener({ isTTY: true, columns: 0 });
  const { listen } = createProgress(talk, { quiet: false }, () => 0);
  listen({ kind: 'progress', done: 2, total: 2, unit: 'fields' });
  expect(text()).toContain('2/2 fields\n');
});

test('a warning names its file once', () => {
  const { talk, text } = listener({});
  const { listen } = createProgress(talk, { quiet: true });
  listen({ kind: 'warning', where: 'a.png', message: 'skipped: a.png cannot be read' });
  listen({ kind: 'warning', where: 'a.png', message: 'has no masks' });
  expect(text()).toBe('Warning: a.png: skipped: cannot be read\nWarning: a.png: has no masks\n');
});
