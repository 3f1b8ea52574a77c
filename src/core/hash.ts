import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

/** SHA-256 of bytes or of several pieces in a row, in hexadecimal. */
export function sha256(...pieces: readonly (string | ArrayBufferView)[]): string {
  const hash = createHash('sha256');
  for (const piece of pieces) {
    hash.update(
      typeof piece === 'string' ? piece : new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength),
    );
  }
  return hash.digest('hex');
}

/** SHA-256 of a file, read in pieces. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
