// tfjs-node's own unmodified binding, compiled against the cached library: one compiler call, no node-gyp.
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT, run, say, Trouble, tail } from './say.mjs';

/** Compiles once per (library, tfjs-node version, flags); later clones copy the 99 KB from the cache. */
export async function buildBinding({ library, packageFolder, target }) {
  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  const flags = compilerFlags(library, packageFolder);
  const portable = flags.map((flag) => flag.replaceAll(packageFolder, 'PKG').replaceAll(ROOT, 'ROOT'));
  const key = createHash('sha256')
    .update(JSON.stringify([version, library.folder, portable]))
    .digest('hex')
    .slice(0, 16);
  const cached = join(library.cacheRoot, `binding-${key}-${process.platform}-${process.arch}.node`);
  if (!existsSync(cached)) await compile(flags, packageFolder, cached);
  mkdirSync(dirname(target), { recursive: true });
  const temporary = `${target}.tmp-${process.pid}`;
  copyFileSync(cached, temporary);
  renameSync(temporary, target);
}

function compilerFlags(library, packageFolder) {
  const flags = ['-O2', '-std=c++17', '-fPIC', '-DNAPI_VERSION=8', '-DBUILDING_NODE_EXTENSION'];
  flags.push(...(process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared']));
  flags.push('-I', join(ROOT, 'node_modules', 'node-api-headers', 'include'));
  flags.push('-I', join(library.folder, 'tensorflow', 'include'), '-I', packageFolder);
  return [...flags, ...library.files, `-Wl,-rpath,${join(library.folder, 'tensorflow')}`];
}

async function compile(flags, packageFolder, cached) {
  say('Compiling the TensorFlow binding (about 15 s) ...');
  const temporary = `${cached}.tmp-${process.pid}`;
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => join(packageFolder, 'binding', name));
  const compilers = process.env.CXX ? [process.env.CXX] : ['g++', 'c++', 'clang++'];
  for (const compiler of compilers) {
    const { code, output } = await run(compiler, [...sources, ...flags, '-o', temporary], {
      title: 'compiling',
    });
    if (code === 127) continue;
    if (code === 0) return renameSync(temporary, cached);
    rmSync(temporary, { force: true });
    throw new Trouble(
      `${compiler} could not compile the TensorFlow binding:\n${tail(output)}`,
      'install a current g++ or clang++, or set CXX to one.',
    );
  }
  throw new Trouble(
    `no C++ compiler was found (tried ${compilers.join(', ')}).`,
    'install one (Debian: apt install g++; macOS: xcode-select --install), or set CXX.',
  );
}
