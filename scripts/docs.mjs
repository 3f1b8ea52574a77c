#!/usr/bin/env node
// npm run docs: writes configs/schema.json and docs/configuration.md from the schema of the configuration.
import { runCompiled } from './compiled.mjs';

await runCompiled('scripts/docs.js', process.argv.slice(2));
