import { DataError } from '../core/errors.js';
import { TensorRef } from './torchGlobals.js';

/** Where training scripts put the weights, in order of preference. */
const USUAL_PLACES = ['state_dict', 'model_state_dict', 'model', 'weights'];

/**
 * The named tensors of what a PyTorch file holds: itself, or the dictionary inside it under one of the usual names.
 *
 * @throws DataError when there are none, several candidates, or something else among them
 */
export function stateDict(value: unknown, path: string): ReadonlyMap<string, TensorRef> {
  if (!(value instanceof Map)) throw new DataError('it holds no dictionary of weights', { where: path });
  if ([...value.values()].some((item) => item instanceof TensorRef)) return named(value, path);
  const nested = [...value].filter(([, item]) => item instanceof Map && holdsTensors(item));
  const usual = USUAL_PLACES.find((place) => nested.some(([key]) => key === place));
  const chosen = usual === undefined && nested.length === 1 ? nested[0]?.[1] : value.get(usual);
  if (chosen instanceof Map) return named(chosen, path);
  throw new DataError(
    nested.length === 0
      ? 'it holds no tensors'
      : `it holds several dictionaries of weights: ${nested.map(([key]) => shown(key)).join(', ')}`,
    { where: path },
  );
}

/** A key for a message: lists inside lists of a hostile file would make an endless text. */
function shown(key: unknown): string {
  return typeof key === 'string' ? `\`${key.slice(0, 200)}\`` : `a key that is ${typeof key}`;
}

function holdsTensors(map: Map<unknown, unknown>): boolean {
  return [...map.values()].some((item) => item instanceof TensorRef);
}

function named(map: Map<unknown, unknown>, path: string): ReadonlyMap<string, TensorRef> {
  const tensors = new Map<string, TensorRef>();
  for (const [key, item] of map) {
    if (typeof key !== 'string' || !(item instanceof TensorRef))
      throw new DataError(`${shown(key)} stands among the weights and is no tensor`, { where: path });
    tensors.set(key, item);
  }
  return tensors;
}
