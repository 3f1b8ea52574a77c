import { type Document, isMap, isSeq, parse } from 'yaml';
import { ConfigError } from '../core/errors.js';

/** One `key.sub=value` of the command line. */
export interface Override {
  readonly text: string;
  readonly path: readonly (string | number)[];
  readonly value: unknown;
}

/**
 * Splits `data.sets.0.root=../x` into path and value; the value is read as YAML, so `true`, `3` and `[1, 2]` mean what
 * they would in the file.
 *
 * @throws ConfigError naming every argument that is not of that form
 */
export function parseOverrides(texts: readonly string[]): readonly Override[] {
  const bad = texts.filter((text) => !/^[A-Za-z_][\w-]*(\.[\w-]+)*=/.test(text));
  if (bad.length > 0) {
    throw new ConfigError(
      'arguments after the options change the configuration and look like `key.sub=value`',
      {
        problems: bad.map((text) => ({
          where: text,
          message: text.includes('=') ? 'the part before `=` is no key' : 'has no `=`',
        })),
        fix: 'for example `train.maxSteps=50`',
      },
    );
  }
  return texts.map((text) => {
    const at = text.indexOf('=');
    const path = text
      .slice(0, at)
      .split('.')
      .map((key) => (/^\d+$/.test(key) ? Number(key) : key));
    return { text, path, value: parseValue(text.slice(at + 1)) };
  });
}

/** Sets each override in the document, making the maps on the way. */
export function applyOverrides(document: Document, overrides: readonly Override[]): void {
  for (const { path, value, text } of overrides) {
    for (let depth = 1; depth < path.length; depth++) {
      const parent = document.getIn(path.slice(0, depth), true);
      if (parent === undefined || parent === null) continue;
      if (!isMap(parent) && !isSeq(parent)) {
        throw new ConfigError(
          `\`${path.slice(0, depth).join('.')}\` is a single value and has nothing inside`,
          { where: text },
        );
      }
    }
    document.setIn(path, document.createNode(value));
  }
}

function parseValue(text: string): unknown {
  try {
    return parse(text) as unknown;
  } catch {
    return text;
  }
}
