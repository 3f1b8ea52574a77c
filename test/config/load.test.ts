import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { loadConfig } from '../../src/config/load.js';
import type { ConfigError } from '../../src/core/errors.js';

const schema = z.strictObject({
  data: z.union([
    z.strictObject({ root: z.string(), imageSize: z.number().default(256) }),
    z.strictObject({ sets: z.array(z.strictObject({ root: z.string(), weight: z.number().optional() })) }),
  ]),
  train: z
    .strictObject({
      maxSteps: z.number().int().positive().default(100),
      name: z.string().default('run'),
      stage: z.enum(['masks', 'joint']).default('joint'),
    })
    .prefault({}),
});

function file(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'config-')), 'job.yaml');
  writeFileSync(path, text);
  return path;
}

async function problems(text: string, overrides: string[] = []): Promise<string[]> {
  const error = await loadConfig(schema, file(text), overrides).then(
    () => undefined,
    (thrown: ConfigError) => thrown,
  );
  return (error?.problems ?? []).map((p) => `${p.where}: ${p.message}`);
}

describe('reading a job file', () => {
  test('fills defaults and freezes the result', async () => {
    const { config } = await loadConfig(schema, file('data:\n  root: x\n'));
    expect(config).toEqual({
      data: { root: 'x', imageSize: 256 },
      train: { maxSteps: 100, name: 'run', stage: 'joint' },
    });
    expect(Object.isFrozen(config.train)).toBe(true);
  });

  test('an override wins over the file, lists are reached by number', async () => {
    const path = file('data:\n  sets:\n    - root: a\n    - root: b\n');
    const { config } = await loadConfig(schema, path, ['data.sets.1.root=c', 'train.maxSteps=7']);
    expect(config.data).toEqual({ sets: [{ root: 'a' }, { root: 'c' }] });
    expect(config.train.maxSteps).toBe(7);
  });

  test('paths come back absolute: of the file from its folder, of the command line from the working directory', async () => {
    const path = file('data:\n  sets:\n    - root: a\n    - root: /b\n    - root: c\n');
    const { config, folder } = await loadConfig(
      schema,
      path,
      ['data.sets.2.root=d', 'train.name=e'],
      ['data.sets.*.root'],
    );
    expect(config.data).toEqual({
      sets: [{ root: join(folder, 'a') }, { root: '/b' }, { root: join(process.cwd(), 'd') }],
    });
    expect(config.train.name).toBe('e');
  });

  test('all problems come at once, with line, key and nearest known key', async () => {
    const found = await problems('data:\n  root: x\n  imagSize: 3\ntrain:\n  maxSteps: -3\n  nam: y\n');
    expect(found).toHaveLength(3);
    expect(found[0]).toMatch(/^line 3 {2}data\.imagSize: unknown key; did you mean `imageSize`\?/);
    expect(found[1]).toMatch(/^line 5 {2}train\.maxSteps: must be above 0, and is -3$/);
    expect(found[2]).toMatch(/^line 6 {2}train\.nam: unknown key; did you mean `name`\?/);
  });

  test('a misspelt choice is told with the nearest, from the file and from the command line', async () => {
    const text = 'there is no `jiont`; did you mean `joint`?; known are masks, joint';
    expect(await problems('data:\n  root: x\ntrain:\n  stage: jiont\n')).toEqual([
      `line 4  train.stage: ${text}`,
    ]);
    expect(await problems('data:\n  root: x\n', ['train.stage=jiont'])).toEqual([
      `command line  train.stage: ${text}`,
    ]);
  });

  test('a problem made on the command line is placed there', async () => {
    expect(await problems('data:\n  root: x\n', ['train.maxStep=4'])).toEqual([
      'command line  train.maxStep: unknown key; did you mean `maxSteps`?',
    ]);
    expect(await problems('data:\n  root: x\n', ['trian.maxSteps=4'])).toEqual([
      'command line  trian: unknown key; did you mean `train`?',
    ]);
  });

  test('arguments that are no overrides are all named', async () => {
    await expect(loadConfig(schema, file('data:\n  root: x\n'), ['maxSteps', '=3'])).rejects.toThrow(
      /key\.sub=value/,
    );
  });

  test('text that is not YAML is refused with its line', async () => {
    expect((await problems('data: [1, 2\ntrain: {'))[0]).toMatch(/^line \d/);
  });

  test('a missing file is named', async () => {
    await expect(loadConfig(schema, '/nowhere/x.yaml')).rejects.toThrow(
      /cannot read the configuration \/nowhere\/x\.yaml/,
    );
  });
});
