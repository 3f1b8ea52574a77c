import type { FileHandle } from 'node:fs/promises';

/**
 * So many bytes from a place in a file, in a buffer of their own that starts at a multiple of 8. Nothing is allocated when
 * they lie outside the file.
 *
 * @param fault makes the error for a file that is too short
 */
export async function readExactly(
  file: FileHandle,
  length: number,
  position: number,
  fault: (what: string) => Error,
): Promise<Uint8Array<ArrayBuffer>> {
  const { size } = await file.stat();
  if (position + length > size) throw fault(`${length} bytes at ${position} lie outside the file's ${size}`);
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    // One call reads at most 2 GiB.
    const { bytesRead } = await file.read(bytes, done, Math.min(length - done, 1 << 30), position + done);
    if (bytesRead === 0) throw fault('it ended while being read');
    done += bytesRead;
  }
  return bytes;
}
