import type { MaskLogits, Prompt } from '../../models/types.js';

/** Decodes prompts that are all of one kind; its arrays are the caller's. */
export type DecodeKind = (prompts: readonly Prompt[]) => Promise<Omit<MaskLogits, 'side'>>;

/** Masks of one image's prompts in their order: those of one kind are decoded together. @param side of the masks */
export async function decodeByKind(
  prompts: readonly Prompt[],
  side: number,
  decode: DecodeKind,
): Promise<MaskLogits> {
  const kinds = new Set(prompts.map(({ kind }) => kind));
  if (kinds.size === 1) return { side, ...(await decode(prompts)) };
  const size = side * side;
  const data = new Float32Array(prompts.length * size);
  const quality = new Float32Array(prompts.length);
  for (const kind of kinds) {
    const at = [...prompts.keys()].filter((i) => prompts[i]?.kind === kind);
    const found = await decode(at.map((i) => prompts[i] as Prompt));
    for (const [k, i] of at.entries()) {
      data.set(found.data.subarray(k * size, (k + 1) * size), i * size);
      quality[i] = found.quality[k] as number;
    }
  }
  return { data, side, quality };
}
