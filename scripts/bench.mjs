#!/usr/bin/env node
// npm run bench -- data|train|segment|encoder: paired measurements in one run; see bench/.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runCompiled } from './compiled.mjs';
import { ROOT } from './setup/say.mjs';

const names = readdirSync(join(ROOT, 'bench'))
  .filter((f) => f.endsWith('.ts'))
  .map((f) => f.slice(0, -3));
const [name, ...rest] = process.argv.slice(2);
if (!names.includes(name)) {
  console.error(`Which one? npm run bench -- ${names.join(' | ')}`);
  process.exit(2);
}
await runCompiled(`bench/${name}.js`, rest);
