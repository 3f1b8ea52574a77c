import { inflateSync } from 'node:zlib';

/** A text that unpacks to more is not read. */
const MAX_TEXT = 1 << 24;

/** The text chunks of a PNG by keyword (tEXt, zTXt, iTXt); damaged ones are left out. */
export function pngTexts(bytes: Uint8Array): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (at + 12 + length > bytes.length) break;
    const found = textOf(type, bytes.subarray(at + 8, at + 8 + length));
    if (found !== undefined) texts.set(found[0], found[1]);
    at += 12 + length;
  }
  return texts;
}

function textOf(type: string, data: Uint8Array): [string, string] | undefined {
  if (type !== 'tEXt' && type !== 'zTXt' && type !== 'iTXt') return undefined;
  const end = data.indexOf(0);
  const keyword = latin1(data.subarray(0, Math.max(0, end)));
  const rest = data.subarray(end + 1);
  try {
    if (type === 'tEXt') return [keyword, latin1(rest)];
    if (type === 'zTXt') return [keyword, latin1(unpacked(rest.subarray(1)))];
    const language = rest.indexOf(0, 2);
    const content = rest.subarray(rest.indexOf(0, language + 1) + 1);
    return [keyword, new TextDecoder().decode(rest[0] === 1 ? unpacked(content) : content)];
  } catch {
    return undefined;
  }
}

const unpacked = (data: Uint8Array): Uint8Array => inflateSync(data, { maxOutputLength: MAX_TEXT });
const latin1 = (data: Uint8Array): string => new TextDecoder('latin1').decode(data);
