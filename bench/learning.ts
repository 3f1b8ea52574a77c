import { writeFile } from 'node:fs/promises';
import { silent } from '../src/core/events.js';
import { openDataset } from '../src/data/dataset.js';
import { dataOptions } from '../src/data/options.js';
import { prepareFields } from '../src/data/prepared.js';
import type { ModelConfig } from '../src/models/options.js';
import { preset } from '../src/models/presets.js';
import { type Course, type Form, learn } from './support/learning.js';
import { learningPlot } from './support/learningPlot.js';

// Which form of the detector learns fast from nothing: same fields, views and steps, one seed.
//   npm run bench -- learning ../shared/data/dsb2018 [out.svg]
// Prints a table in Markdown; every fourth training image, every second validation image of the shared split.

const STEPS = [15, 30, 60, 120];
const SIDE = 128;

const base = preset('small');
const at = (
  vit: Partial<ModelConfig['vit']>,
  cellfinder: Partial<ModelConfig['cellfinder']>,
): ModelConfig => ({
  ...base,
  vit: { ...base.vit, imgSize: SIDE, ...vit },
  cellfinder: { ...base.cellfinder, ...cellfinder },
});
const FORMS: readonly Form[] = [
  {
    name: 'learned queries (paper)',
    config: at({ stem: 'patch' }, { proposals: 'learned' }),
    learningRate: 4e-4,
  },
  { name: 'learned queries, conv stem', config: at({}, { proposals: 'learned' }), learningRate: 4e-4 },
  { name: 'dense proposals', config: at({ stem: 'patch' }, {}), learningRate: 1e-3 },
  { name: 'dense proposals, conv stem', config: at({}, {}), learningRate: 1e-3 },
  { name: 'the same, objects brought to one size', config: at({}, {}), learningRate: 1e-3, objectSide: 24 },
];

const [root = '../shared/data/dsb2018', out] = process.argv.slice(2);
const data = dataOptions.parse({ type: 'dsb2018', root, splitFile: `${root}/../splits/dsb2018.json` });
const dataset = await openDataset(data, process.cwd());
const read = async (split: 'train' | 'val', every: number) =>
  prepareFields((await dataset.readSplit(split, { emit: silent })).filter((_, i) => i % every === 0));
const train = await read('train', 4);
const validation = await read('val', 2);

const courses: Course[] = [];
for (const form of FORMS) courses.push(await learn(form, train, validation, STEPS));
const rows = courses.map(({ form, parameters, points }) =>
  [
    form.name,
    `${(parameters / 1e6).toFixed(2)} M`,
    ...points.map(({ f1 }) => f1.toFixed(3)),
    (points.at(-1)?.cpu ?? 0).toFixed(0),
  ].join(' | '),
);
const head = ['form', 'parameters', ...STEPS.map((s) => `${s} steps`), 'CPU s'].join(' | ');
console.log(
  `| ${head} |\n|${' --- |'.repeat(STEPS.length + 3)}\n${rows.map((row) => `| ${row} |`).join('\n')}`,
);
console.log(
  `${train.length} training and ${validation.length} validation images, views of ${SIDE} px, one seed`,
);
if (out !== undefined) await writeFile(out, learningPlot(courses));
