#!/usr/bin/env node
import { build } from './setup/build.mjs';
// Makes a fresh clone ready: dependencies, TensorFlow's library, the binding between them, the compiled program.
// Uses Node built-ins only, because nothing else is installed yet. A second run finds everything and does nothing.
import { checkNode, installDependencies } from './setup/dependencies.mjs';
import { say, Trouble } from './setup/say.mjs';
import { prepareTensorFlow } from './setup/tensorflow.mjs';

/**
 * @param {{gpu?: boolean, backend?: 'kept' | 'native' | 'wasm'}} options
 * @throws Trouble with one sentence and a fix
 */
export async function setup(options = {}) {
  checkNode();
  await installDependencies();
  await prepareTensorFlow(options);
  await build();
}

/** Runs `main` and turns a Trouble into one clear sentence and exit code 6. */
export async function runScript(main) {
  try {
    await main();
  } catch (thrown) {
    if (!(thrown instanceof Trouble)) throw thrown;
    say(`\nSet-up stopped: ${thrown.message}\nTo mend it: ${thrown.fix}\n`);
    process.exitCode = 6;
  }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const gpu = process.argv.includes('--gpu');
  const backend = process.argv.includes('--wasm') ? 'wasm' : 'native';
  await runScript(async () => {
    await setup({ gpu, backend });
    say('Ready. Next: npm start (the main job), npm test (the tests), or node bin/cellsam.mjs --help.');
  });
}
