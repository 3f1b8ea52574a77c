import { DataError } from '../core/errors.js';
import { readNpyHeader } from './npy.js';
import { numpyValues } from './numpyArray.js';
import { type PickleGlobal, type PickleGlobals, type Stateful, unpickle } from './pickle.js';
import { checkSize, type RawImage, rangeOf } from './raw.js';

/** A NumPy number type in a pickle: its name, then its byte order as state. */
class DType implements Stateful {
  readonly #kind: string;
  #order = '|';

  constructor(kind: string) {
    this.#kind = kind;
  }

  get name(): string {
    return this.#order + this.#kind;
  }

  setState(state: unknown): void {
    const order = Array.isArray(state) ? (state[1] as unknown) : undefined;
    if (order === '<' || order === '>') this.#order = order;
  }
}

/** A NumPy array in a pickle. */
class NdArray implements Stateful {
  shape: readonly number[] = [];
  dtype = '';
  isFortran = false;
  /** Bytes of numbers; a list of objects where the array holds such. */
  content: unknown;

  setState(state: unknown): void {
    const [, shape, dtype, isFortran, content] = Array.isArray(state) ? (state as unknown[]) : [];
    if (!Array.isArray(shape) || !(dtype instanceof DType))
      throw new DataError('the pickle sets an array to what is none');
    this.shape = shape.map(Number);
    this.dtype = dtype.name;
    this.isFortran = isFortran === true;
    this.content = content;
  }
}

const allow = (call: (args: readonly unknown[]) => unknown): PickleGlobal => ({ call });

/** All that an array in a pickle needs; nothing of it runs code of the file's choice. */
const GLOBALS: PickleGlobals = {
  'numpy.ndarray': allow(() => new NdArray()),
  'numpy.dtype': allow(([kind]) => new DType(String(kind))),
  '_codecs.encode': allow(([text]) => Buffer.from(String(text), 'latin1')),
  ...Object.fromEntries(
    ['numpy.core', 'numpy._core'].flatMap((core) => [
      [`${core}.multiarray._reconstruct`, allow(() => new NdArray())],
      [`${core}.multiarray.scalar`, allow(() => null)],
      [
        `${core}.numeric._frombuffer`,
        allow(([content, dtype, shape, order]) => {
          const array = new NdArray();
          array.setState([1, shape, dtype, order === 'F', content]);
          return array;
        }),
      ],
    ]),
  ),
};

/**
 * The label image in Cellpose's `_seg.npy`: the array `masks` of a pickled dictionary, read without running any of it.
 * Old files that count from -1 are brought to 0.
 *
 * @throws DataError naming `where`, when the pickle asks for anything but plain arrays, or has no masks
 */
export function readSegNpy(bytes: Uint8Array, where: string): RawImage {
  const { start, dtype } = readNpyHeader(bytes, where);
  try {
    if (!dtype.endsWith('O')) throw new Error(`holds ${dtype}, not a dictionary`);
    const { value } = unpickle(bytes, { globals: GLOBALS }, start);
    const dictionary =
      value instanceof NdArray && Array.isArray(value.content) ? (value.content as unknown[])[0] : value;
    const masks = dictionary instanceof Map ? (dictionary.get('masks') as unknown) : undefined;
    if (!(masks instanceof NdArray) || !(masks.content instanceof Uint8Array))
      throw new Error('has no array `masks`');
    checkSize(masks.shape, where);
    if (masks.shape.length !== 2 && masks.shape.length !== 3)
      throw new Error(`has masks of ${masks.shape.length} dimensions`);
    const stored = Array.from(
      numpyValues(masks.content, masks.dtype, masks.shape, masks.isFortran) as ArrayLike<number | bigint>,
      Number,
    );
    const isOld = stored.includes(-1);
    const data = isOld ? stored.map((id) => id + 1) : stored;
    return { shape: masks.shape, axes: 'zyx'.slice(-masks.shape.length), data, range: rangeOf(data) };
  } catch (thrown) {
    const what = thrown instanceof Error ? thrown.message : String(thrown);
    throw new DataError(`${where} ${what}`, {
      where,
      fix: "save it again in Cellpose, or save `numpy.load(..., allow_pickle=True).item()['masks']` with numpy.save, if you trust the file",
      cause: thrown,
    });
  }
}
