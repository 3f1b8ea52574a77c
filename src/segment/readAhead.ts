import { DataError, reason } from '../core/errors.js';
import { openPool } from '../core/pool.js';
import { type ImageOptions, NO_OPTIONS } from '../data/imageOptions.js';
import type { PixelImage } from '../image/types.js';
import { type OpenedImage, openImage } from './imageFile.js';
import type { ReadTask } from './readWorker.js';
import { sourceOf } from './tiles.js';

/** What came of a file: an image, or why there is none. */
export type ReadResult =
  | { readonly path: string; readonly opened: OpenedImage }
  | { readonly path: string; readonly failure: unknown };

/**
 * Opens images in the order of their paths, some before their turn, so that the model never waits for a decoder.
 *
 * @param threads that decode; 0 decodes in this thread, one image ahead
 * @param wholePixels larger images are not read as a whole
 * @param options of reading, see `openImage`
 */
export async function* readAhead(
  paths: readonly string[],
  threads: number,
  wholePixels: number,
  options: ImageOptions = NO_OPTIONS,
): AsyncGenerator<ReadResult, void> {
  const pool =
    threads === 0
      ? undefined
      : await openPool<ReadTask, PixelImage | undefined>(
          new URL('./readWorker.js', import.meta.url),
          threads,
        );
  const start = (path: string): Promise<ReadResult> =>
    openedBy(path).then(
      (opened) => ({ path, opened }),
      (failure: unknown) => ({ path, failure }),
    );
  const openedBy = async (path: string): Promise<OpenedImage> => {
    if (pool === undefined) return openImage(path, wholePixels, options);
    const image = await pool.run({ path, wholePixels, options }).catch((thrown: unknown) => {
      // Classes do not survive the way between threads; the sentence does.
      throw new DataError(reason(thrown), { where: path, cause: thrown });
    });
    return image === undefined
      ? openImage(path, wholePixels, options)
      : { source: sourceOf(image), image, close: async () => undefined };
  };
  const queue: Promise<ReadResult>[] = [];
  let next = 0;
  const fill = (): void => {
    while (queue.length <= Math.max(1, threads) && next < paths.length)
      queue.push(start(paths[next++] as string));
  };
  try {
    for (fill(); queue.length > 0; fill()) yield (await queue.shift()) as ReadResult;
  } finally {
    for (const pending of queue) {
      const result = await pending;
      if ('opened' in result) await result.opened.close();
    }
    await pool?.close();
  }
}
