import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { z } from 'zod';
import { main } from '../../src/cli/main.js';
import { parseOptions } from '../../src/config/arguments.js';
import { dataOptions } from '../../src/data/options.js';
import { segmentOptions } from '../../src/segment/options.js';

let printed = '';

beforeEach(() => {
  printed = '';
  jest.spyOn(process.stderr, 'write').mockImplementation((piece) => {
    printed += String(piece);
    return true;
  });
});
afterEach(() => {
  jest.restoreAllMocks();
});

/** The exit code, and the lines between the first sentence and the repair. */
async function refused(...argv: readonly string[]): Promise<[number, ...string[]]> {
  const code = await main(argv);
  return [code, ...printed.split('\n').flatMap((line) => (line.startsWith('  ') ? [line.trim()] : []))];
}

test.each([
  ['adapt x --lora neck --rank 0', '--rank  must be above 0, and is 0'],
  ['segment a.png --zoom', '--zoom  needs a value'],
  ['segment a.png --out --overwrite', '--out  needs a value'],
  ['adapt x --parts', '--parts  needs a value'],
  ['adapt x --steps 2.5', '--steps  must be a whole number, and is 2.5'],
  ['adapt x --folds 1', '--folds  must be 2 or more, and is 1'],
  ['adapt x --learning-rate -1', '--learning-rate  must be above 0, and is -1'],
  ['fewshot-eval --config c.yaml --seeds 0', '--seeds  must be above 0, and is 0'],
  ['fewshot-eval --config c.yaml --shots 1,two', '--shots  must be a number, and is `two`'],
  ['simulate --out x --side 8', '--side  must be 32 or more, and is 8'],
  ['evaluate --min-size -1', '--min-size  must be 0 or more, and is -1'],
  ['export --to onnx --out x --opset 3', '--opset  must be 17 or more, and is 3'],
  ['prepare --config configs/dsb2018.yaml --out x --shard-mb 0', '--shard-mb  must be above 0, and is 0'],
])('%s is refused under its flag, as wrong arguments', async (line, problem) => {
  expect(await refused(...line.split(' '))).toEqual([2, problem]);
});

test('what is no number is shown as it was typed, of every verb and in every spelling', async () => {
  expect(await refused('segment', 'a.png', '--pixel-size', 'abc', '--minSize=few')).toEqual([
    2,
    '--pixel-size  must be a number, and is `abc`',
    '--min-size    must be a number, and is `few`',
  ]);
  printed = '';
  expect(await refused('adapt', 'x', '--rank', '2', '--rank', '3')).toEqual([
    2,
    '--rank  is given 2 times; once is meant',
  ]);
});

test('a flag is named as it is typed, where its key tells the unit', async () => {
  const [, problem] = await refused('segment', 'a.png', '--pixel-size', '0');
  expect(problem).toBe('--pixel-size  must be above 0, and is 0');
});

test('a wrong choice is told with the one that was meant', async () => {
  expect(await refused('adapt', 'x', '--parts', 'detecto', 'neck')).toEqual([
    2,
    '--parts  `detecto` is none of detector, queries, neck, decoder, encoder; did you mean `detector`?',
  ]);
  printed = '';
  expect((await refused('weights', 'inspekt', 'x'))[1]).toMatch(/did you mean `inspect`\?$/);
});

test('a budget that is no time is told with its flag and what a bare number means', async () => {
  expect(await main(['adapt', 'x', '--budget', 'soon'])).toBe(2);
  expect(printed).toMatch(/--budget: `soon` is not a positive time[\s\S]*a number alone means seconds/);
});

test('an image size that the model cannot have is refused, with the nearest that it can', async () => {
  expect(await main(['info', '--model', 'tiny', '--image-size', '100'])).toBe(2);
  expect(printed).toMatch(/multiple of the patch's 8 pixels, and is 100[\s\S]*the nearest is 104/);
});

test('wrong options of a call are told by name, unknown ones with the nearest', () => {
  expect(() => parseOptions(segmentOptions, { treshold: 1 }, 'loadCellSam')).toThrow(
    'options of loadCellSam are not right: treshold there is no such option; did you mean `thresholds`?',
  );
  expect(() => parseOptions(segmentOptions, { boxThreshold: 2 }, 'loadCellSam')).toThrow(
    'boxThreshold must be 1 or less, and is 2',
  );
});

test('lists, missing values and unions are told in plain words', () => {
  const schema = z.strictObject({
    box: z.tuple([z.number(), z.number()]),
    rate: z.union([z.number(), z.string()]),
    name: z.string(),
  });
  let problems: unknown;
  try {
    parseOptions(schema, { box: [1], rate: true }, 'it');
  } catch (thrown) {
    ({ problems } = thrown as { problems: unknown });
  }
  expect(problems).toEqual([
    { where: 'box', message: 'must have 2 or more entries, and has 1' },
    { where: 'rate', message: 'must be a number or text, and is `true`' },
    { where: 'name', message: 'is missing; wanted is text' },
  ]);
});

test.each([
  ['scale', { scale: [1.5, 0.75] }],
  ['augment.intensity.gain', { augment: { intensity: { gain: [1.5, 0.75] } } }],
  ['augment.blur.sigma', { augment: { blur: { sigma: [1.5, 0.75] } } }],
])('a range whose smallest is above its largest is refused: %s', (path, given) => {
  const { error } = dataOptions.safeParse({ type: 'simulated', ...given });
  expect(error?.issues.map((issue) => [issue.path.join('.'), issue.message])).toEqual([
    [path, 'the smallest comes first: 1.5 is above 0.75; did you mean [0.75, 1.5]?'],
  ]);
});
