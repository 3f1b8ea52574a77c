import { sha256 } from '../core/hash.js';
import { type PreparedField, prepareField } from '../data/prepared.js';
import type { Sample } from '../data/sample.js';
import { boxesOf } from '../image/labels.js';
import type { Boxes } from '../image/types.js';

/** A user's annotated image, with masks or with boxes only, ready to be cut into views and to be scored. */
export interface AnnotatedField extends PreparedField {
  /** All objects. */
  readonly boxes: Boxes;
}

/** Images with masks or boxes; those with points or nothing teach nothing and are left out. */
export function annotatedFields(samples: readonly Sample[]): AnnotatedField[] {
  return samples.flatMap((sample) => {
    const field = prepareField(sample, 'percentile');
    return field === undefined ? [] : [{ ...field, boxes: field.boxesOnly ?? boxesOf(field.labels) }];
  });
}

/** The same field with its masks forgotten, as if only boxes had been drawn. */
export function withoutMasks(field: AnnotatedField): AnnotatedField {
  const { height, width } = field;
  const labels = { height, width, data: new Uint32Array(height * width), count: 0 };
  return { ...field, labels, boxesOnly: field.boxes };
}

/** Of the pixels: features are kept under it. */
export function hashOf({
  height,
  width,
  values,
}: Pick<PreparedField, 'height' | 'width' | 'values'>): string {
  return sha256(`${height}x${width}`, values);
}
