import { reasonAndFix } from '../core/errors.js';
import { handedOver } from '../core/pool.js';
import type { ImageOptions } from '../data/imageOptions.js';
import type { PixelImage } from '../image/types.js';
import { openImage } from './imageFile.js';

/** A file to decode; larger images than this are left to the main thread, which reads them part by part. */
export interface ReadTask {
  readonly path: string;
  readonly wholePixels: number;
  readonly options: ImageOptions;
}

/** Decodes one image in a thread; undefined where it is too large to be read as a whole. */
export default async function read(task: ReadTask): Promise<PixelImage | undefined> {
  const { image, close } = await openImage(task.path, task.wholePixels, task.options).catch((thrown) => {
    throw new Error(reasonAndFix(thrown), { cause: thrown }); // only the sentence goes from thread to thread
  });
  await close();
  return image === undefined ? undefined : handedOver(image, [image.data.buffer]);
}
