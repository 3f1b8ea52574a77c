import { readFileSync } from 'node:fs';

/** Reads the golden arrays without the project's own reader, so that the two check each other. */
export function readGolden(path: string): (key: string) => { shape: number[]; data: number[] } {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  return (key) => {
    const entry = header[key];
    if (entry === undefined) throw new Error(`no ${key} in ${path}`);
    const part = bytes.subarray(start + entry.data_offsets[0], start + entry.data_offsets[1]);
    const buffer = Uint8Array.from(part).buffer;
    if (entry.dtype === 'F32') return { shape: entry.shape, data: [...new Float32Array(buffer)] };
    if (entry.dtype === 'F64') return { shape: entry.shape, data: [...new Float64Array(buffer)] };
    if (entry.dtype === 'I32') return { shape: entry.shape, data: [...new Int32Array(buffer)] };
    if (entry.dtype === 'U16') return { shape: entry.shape, data: [...new Uint16Array(buffer)] };
    return { shape: entry.shape, data: [...new Uint8Array(buffer)] };
  };
}
