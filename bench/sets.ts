/**
 * Every published set in ../shared/data read whole, each through its own configuration, and counted.
 *
 *   npm run bench -- sets [name ...]
 */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { formatNamed } from '../src/data/formats/formats.js';
import { Tally } from '../src/data/tally.js';

const folder = '../shared/data';
const counts = JSON.parse(await readFile(`${folder}/counts.json`, 'utf8')) as Record<
  string,
  { images: number; objects: number }
>;
const wanted = process.argv.slice(2);
for (const set of Object.keys(counts).filter((name) => name !== 'note')) {
  if (wanted.length > 0 && !wanted.includes(set)) continue;
  const { data } = parse(await readFile(`configs/${set}.yaml`, 'utf8')) as {
    data: { type: string; options?: Record<string, unknown> };
  };
  const start = performance.now();
  const format = await formatNamed(data.type, data.options);
  const tally = new Tally();
  for (const ref of await format.list(`${folder}/${set}`))
    tally.add(await format.read(`${folder}/${set}`, ref));
  const { images, objects } = counts[set] ?? { images: 0, objects: 0 };
  const isEqual = tally.images === images && tally.objects === objects;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(
    `${set} (${data.type}): ${tally.images} images, ${tally.objects} objects, ${seconds} s${isEqual ? '' : `; EXPECTED ${images} and ${objects}`}`,
  );
  if (!isEqual) process.exitCode = 1;
}
