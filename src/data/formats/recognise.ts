import { DataError } from '../../core/errors.js';
import { filesBelow } from './folder.js';
import { FORMAT_NAMES, type FormatName, formatDefinition } from './formats.js';

/** A layout that a folder seems to have. */
export interface Layout {
  readonly type: FormatName;
  /** What the config needs under `options`. */
  readonly options: Readonly<Record<string, unknown>>;
  /** 0..1. */
  readonly certainty: number;
}

/** A layout this certain is not compared with others. */
const SURE = 0.9;

/**
 * The layouts that a folder might have, the likeliest first; the search ends at one that is nearly sure.
 *
 * @throws DataError when the folder cannot be read
 */
export async function layoutsOf(root: string): Promise<readonly Layout[]> {
  const files = await filesBelow(root);
  const found: Layout[] = [];
  for (const type of FORMAT_NAMES) {
    const recognised = await (await formatDefinition(type)).detect(root, files);
    if (recognised === undefined || recognised.certainty <= 0) continue;
    found.push({ type, options: recognised.options ?? {}, certainty: recognised.certainty });
    if (recognised.certainty >= SURE) break;
  }
  return found.sort((a, b) => b.certainty - a.certainty);
}

/** The layout that a folder most likely has. @throws DataError when none is likely */
export async function recogniseLayout(root: string): Promise<Layout> {
  const [best] = await layoutsOf(root);
  if (best !== undefined && best.certainty >= 0.25) return best;
  throw new DataError(`the layout of ${root} is none of those that are known`, {
    where: root,
    fix: `name it: ${FORMAT_NAMES.join(', ')}; docs/datasets.md shows how each looks`,
  });
}
