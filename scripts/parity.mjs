#!/usr/bin/env node
// npm run parity -- <stem>: computes every key of a golden set and compares.
import { runCompiled } from './compiled.mjs';

await runCompiled('scripts/parity.js', process.argv.slice(2));
