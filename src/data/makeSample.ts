import { sha256 } from '../core/hash.js';
import type { LabelImage, PixelImage } from '../image/types.js';
import type { FieldRef } from './formats/format.js';
import type { Instances, Sample, Volume } from './sample.js';

interface Found {
  readonly dataset: string;
  readonly ref: FieldRef;
  readonly image: PixelImage;
  readonly instances: Instances;
  /** Objects in the source; by default what `instances` holds. */
  readonly objectCount?: number;
  readonly warnings?: readonly string[];
  readonly licence?: string | undefined;
  readonly volume?: Volume;
}

/** A sample with its provenance. */
export function makeSample(found: Found): Sample {
  const { dataset, ref, image, instances, licence, volume } = found;
  return {
    id: ref.id,
    image,
    instances,
    objectCount: found.objectCount ?? countOf(instances),
    warnings: found.warnings ?? [],
    ...(volume && { volume }),
    source: {
      dataset,
      files: ref.files,
      ...(licence !== undefined && { licence }),
      contentHash: contentHash(image),
    },
  };
}

/** SHA-256 of size and values, whatever the file's format. */
export function contentHash(image: PixelImage): string {
  return sha256(`${image.height}x${image.width}`, image.data);
}

/** Masks as an annotation. */
export const asLabels = (labels: LabelImage): Instances => ({ kind: 'labels', labels });

function countOf(instances: Instances): number {
  switch (instances.kind) {
    case 'labels':
      return instances.labels.count;
    case 'boxes':
      return instances.boxes.count;
    case 'points':
      return instances.xy.length / 2;
    case 'none':
      return 0;
  }
}
