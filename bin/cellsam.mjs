#!/usr/bin/env node
// Launcher: checks Node and the build before anything of the program is loaded, so that what is missing gets a sentence.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);
const main = new URL('../dist/src/cli/main.js', import.meta.url);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `cellsam needs Node 20.19 or newer; this is ${process.versions.node}. Install a current one from nodejs.org.`,
  );
  process.exitCode = 6;
} else if (!existsSync(fileURLToPath(main))) {
  console.error('cellsam is not built yet. In its folder run: npm run setup');
  process.exitCode = 6;
} else {
  const { main: run } = await import(main.href);
  process.exitCode = await run(process.argv.slice(2));
}
