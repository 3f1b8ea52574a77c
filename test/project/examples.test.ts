import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import * as cellsam from '../../src/index.js';

const pages = ['README.md', ...readdirSync('docs').map((name) => join('docs', name))].filter((name) =>
  name.endsWith('.md'),
);
const programs = pages.flatMap((page) =>
  [...readFileSync(page, 'utf8').matchAll(/^```ts\n([\s\S]*?)^```/gm)].flatMap(([, program = '']) =>
    program.includes("from 'cellsam'") ? [[page, program] as const] : [],
  ),
);

test.each(programs)('the program in %s can be read, and takes names that there are', (_page, program) => {
  const read = spawnSync(process.execPath, ['--check', '--input-type=module', '-'], {
    input: program,
    encoding: 'utf8',
  });
  expect(read.stderr).toBe('');
  const [, names = ''] = /import \{([^}]*)\} from 'cellsam'/.exec(program) ?? [];
  expect(Object.keys(cellsam)).toEqual(expect.arrayContaining(names.split(',').map((name) => name.trim())));
});

test('the pages have programs', () => {
  expect(programs.map(([page]) => page)).toEqual(expect.arrayContaining(['README.md', 'docs/segment.md']));
});
