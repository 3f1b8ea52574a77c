// npm run docs: writes configs/schema.json and docs/configuration.md from the schema that `cellsam train` checks with.
import { writeFileSync } from 'node:fs';
import { jsonSchemaOf, referenceOf } from '../src/config/jsonSchema.js';
import { trainJobOptions } from '../src/jobs/train.js';

const SCHEMA = jsonSchemaOf(trainJobOptions, 'A training run of cellsam');

/** The generated files by path, as they should be. */
export function generatedFiles(): Readonly<Record<string, string>> {
  return {
    'configs/schema.json': `${JSON.stringify(SCHEMA, null, 2)}\n`,
    'docs/configuration.md': `# Configuration of a training run

Every key of the YAML file that \`cellsam train --config\` reads, made by \`npm run docs\` from the schema that checks it. \`key.sub=value\`
on the command line replaces what the file says; lists are indexed (\`data.sets.0.root=...\`). Paths in the file are relative to the file,
on the command line to the working directory; \`run.folder\` alone, which is written and not read, is always relative to the working
directory. Learning rates are numbers, or expressions in \`step\` (from 0), \`epoch\` and \`maxSteps\` with the usual operators,
\`a ? b : c\`, \`min\`, \`max\`, \`cos\`, \`exp\`, \`sqrt\`, \`pi\` and the like.

Editors that know \`# yaml-language-server: $schema=schema.json\` complete and check with \`configs/schema.json\`.

${referenceOf(SCHEMA)}
`,
  };
}

if (process.argv[1]?.endsWith('docs.js')) {
  for (const [path, text] of Object.entries(generatedFiles())) {
    writeFileSync(path, text);
    console.log(`wrote ${path}`);
  }
}
