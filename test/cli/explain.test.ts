import { expect, test } from '@jest/globals';
import { explain } from '../../src/cli/explain.js';
import { createProgress } from '../../src/cli/progress.js';
import { DataError } from '../../src/core/errors.js';
import { IncompleteError } from '../../src/data/formats/incomplete.js';

const options = { debug: false, version: '1' };

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

test('a warning names its file once', () => {
  let text = '';
  const talk = { write: (piece: string) => (text += piece) !== '' } as unknown as NodeJS.WritableStream;
  const { listen } = createProgress(talk, { quiet: true });
  listen({ kind: 'warning', where: 'a.png', message: 'skipped: a.png cannot be read' });
  listen({ kind: 'warning', where: 'a.png', message: 'has no masks' });
  expect(text).toBe('Warning: a.png: skipped: cannot be read\nWarning: a.png: has no masks\n');
});
