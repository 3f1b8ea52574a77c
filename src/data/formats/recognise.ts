import { stat } from 'node:fs/promises';
import { DataError } from '../../core/errors.js';
import { IMAGE_FILE } from '../../io/decode.js';
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

/** The layout that a folder most likely has. @throws DataError that says what the folder holds, when none is likely */
export async function recogniseLayout(root: string): Promise<Layout> {
  await requireFolder(root);
  const [best] = await layoutsOf(root);
  if (best !== undefined && best.certainty >= 0.25) return best;
  const files = await filesBelow(root);
  if (files.length === 0)
    throw new DataError(`the folder ${root} holds no files`, {
      where: root,
      fix: 'put the images and their masks into it',
    });
  const images = files.filter((file) => IMAGE_FILE.test(file));
  if (images.length === files.length)
    throw new DataError(
      `the folder ${root} holds ${images.length} ${images.length === 1 ? 'image' : 'images'} and nothing that looks like masks or boxes`,
      {
        where: root,
        fix: `put beside each image its masks, for example a.tif and a_masks.tif with one number for each cell; or name the layout with --type: ${FORMAT_NAMES.join(', ')}`,
      },
    );
  throw new DataError(`the layout of ${root} is none of those that are known`, {
    where: root,
    fix: `name it with --type: ${FORMAT_NAMES.join(', ')}; docs/datasets.md shows how each looks`,
  });
}

async function requireFolder(root: string): Promise<void> {
  const found = await stat(root).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw new DataError(
    found === undefined ? `there is no folder ${root}` : `${root} is a file, not a folder`,
    {
      where: root,
      fix: 'name the folder that holds the images and their masks',
    },
  );
}
