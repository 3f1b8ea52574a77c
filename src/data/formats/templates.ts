import { IMAGE_FILE } from '../../io/decode.js';

/**
 * Where a kind of file lies, as a path with placeholders: `{id}` and any other `{word}` stand for letters without `/`,
 * `{**}` at the start for any folders above, none included. A template without an ending takes every image ending.
 */
export type Template = string;

export interface Matched {
  /** What the placeholders stand for, joined by `/`; equal for an image and its mask. */
  readonly key: string;
  readonly file: string;
}

const ENDING = String.raw`\.(?:png|tiff?|npy|jpe?g|webp|bmp|nii|nii\.gz|zarr|mat)`;

/** A function that tells the key of a file, or nothing where the file does not fit. */
export function matcher(template: Template): (file: string) => string | undefined {
  const names: string[] = [];
  const source = template.split(/(\{[^}]*\})/).map((part) => {
    if (part === '{**}') {
      names.push('**');
      return '(?<any>(?:[^/]+/)*)';
    }
    if (/^\{[^}]*\}$/.test(part)) {
      names.push(part);
      return '([^/]+?)';
    }
    return part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  });
  const hasEnding = /\.[a-z0-9]+$/i.test(template.replace(/\{[^}]*\}/g, ''));
  const pattern = new RegExp(`^${source.join('')}${hasEnding ? '' : ENDING}$`, 'i');
  return (file) => {
    const found = pattern.exec(file);
    if (found === null) return undefined;
    return found
      .slice(1)
      .map((value) => value.replace(/\/$/, ''))
      .filter((value) => value !== '')
      .join('/');
  };
}

/** Images (of one file or of one a channel) and masks of one spelling. */
export interface Spelling {
  /** One template, or one for each channel by name. */
  readonly images: Template | Readonly<Record<string, Template>>;
  readonly masks: Template;
}

export interface Pairing {
  /** Complete fields, sorted by key: the files of the channels, then the mask. */
  readonly pairs: readonly {
    readonly key: string;
    readonly images: readonly string[];
    readonly mask: string;
  }[];
  /** Images without a mask and masks without an image, by key. */
  /** Names of the channels, where an image is several files. */
  readonly channels?: readonly string[];
  readonly unpaired: readonly {
    readonly key: string;
    readonly images: readonly string[];
    readonly masks: readonly string[];
  }[];
}

/** Pairs files; one that fits the masks is never an image. */
export function pairUp(files: readonly string[], spelling: Spelling): Pairing {
  const templates = typeof spelling.images === 'string' ? [spelling.images] : Object.values(spelling.images);
  const masks = group(files, matcher(spelling.masks));
  const taken = new Set([...masks.values()].flat());
  const rest = files.filter((file) => !taken.has(file));
  const channels = templates.map((template) => group(rest, matcher(template)));
  const pairs: Pairing['pairs'][number][] = [];
  const unpaired: Pairing['unpaired'][number][] = [];
  const keys = new Set([...masks.keys(), ...channels.flatMap((found) => [...found.keys()])]);
  for (const key of [...keys].sort()) {
    const own = channels.map((found) => found.get(key) ?? []);
    const mask = masks.get(key) ?? [];
    if (mask.length === 1 && own.every((found) => found.length === 1))
      pairs.push({ key, images: own.flat(), mask: mask[0] as string });
    else unpaired.push({ key, images: own.flat(), masks: mask });
  }
  const channelNames = typeof spelling.images === 'string' ? {} : { channels: Object.keys(spelling.images) };
  return { pairs, unpaired, ...channelNames };
}

function group(files: readonly string[], keyOf: (file: string) => string | undefined): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const file of files) {
    const key = keyOf(file);
    if (key === undefined) continue;
    const list = found.get(key);
    if (list === undefined) found.set(key, [file]);
    else list.push(file);
  }
  return found;
}

/** True for files that a spelling may be expected to explain. */
export const isImageOrMask = (file: string): boolean => IMAGE_FILE.test(file) || /\.mat$/i.test(file);
