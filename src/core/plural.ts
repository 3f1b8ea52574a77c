/** A number with its noun in the right number: `1 image`, `2 images`; for nouns that take an s. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
