import type { Feature, FeatureCollection, Position } from 'geojson';
import { type Measurement, measure } from '../image/measure.js';
import { type Polygon, type PolygonPart, polygonsOf, type Ring } from '../image/polygons.js';
import type { Boxes, LabelImage, PixelImage } from '../image/types.js';

/** What `Cells` is made of. */
export interface CellsParts {
  readonly labels: LabelImage;
  /** Boxes of the masks; cell i + 1 at index i. */
  readonly boxes: Boxes;
  /** The detector's score, or the predicted IoU where the prompts were given; `[count]`. */
  readonly scores: Float32Array;
  readonly pixelSizeUm?: readonly [y: number, x: number];
  readonly warnings?: readonly string[];
  /** Magnification at which the model saw the image; absent where it brings every image to its own size. */
  readonly zoom?: number;
  /** What the score of a box had to exceed; absent where the prompts were given. */
  readonly boxThreshold?: number;
  /** Seconds by stage. */
  readonly timings?: Readonly<Record<string, number>>;
}

/** What segmenting an image gives; no cells is a normal value. */
export class Cells {
  readonly labels: LabelImage;
  readonly boxes: Boxes;
  readonly scores: Float32Array;
  readonly pixelSizeUm: readonly [y: number, x: number] | undefined;
  readonly warnings: readonly string[];
  readonly zoom: number | undefined;
  readonly boxThreshold: number | undefined;
  readonly timings: Readonly<Record<string, number>>;

  constructor(parts: CellsParts) {
    this.labels = parts.labels;
    this.boxes = parts.boxes;
    this.scores = parts.scores;
    this.pixelSizeUm = parts.pixelSizeUm;
    this.warnings = parts.warnings ?? [];
    this.zoom = parts.zoom;
    this.boxThreshold = parts.boxThreshold;
    this.timings = parts.timings ?? {};
  }

  get count(): number {
    return this.labels.count;
  }

  toLabelImage(): LabelImage {
    return this.labels;
  }

  /** Outlines along pixel edges, with holes. */
  toPolygons(): Polygon[] {
    return polygonsOf(this.labels);
  }

  /** One feature a cell in QuPath's form, coordinates in pixels. */
  toGeoJson(): FeatureCollection {
    const features = this.toPolygons().map(({ label, parts }): Feature => {
      const score = this.scores[label - 1] ?? 0;
      return {
        type: 'Feature',
        geometry:
          parts.length === 1
            ? { type: 'Polygon', coordinates: rings(parts[0] as PolygonPart) }
            : { type: 'MultiPolygon', coordinates: parts.map(rings) },
        properties: { objectType: 'cell', name: String(label), label, score, measurements: { score } },
      };
    });
    return { type: 'FeatureCollection', features };
  }

  /** @param image of the same size, for the mean and largest value of each channel */
  measure(image?: PixelImage): Measurement[] {
    return measure(this.labels, image, this.pixelSizeUm);
  }
}

/** GeoJSON's rings are closed: the first position comes again. */
function rings(part: PolygonPart): Position[][] {
  return part.map((ring: Ring) => {
    const positions: Position[] = [];
    for (let i = 0; i < ring.length; i += 2) positions.push([ring[i] as number, ring[i + 1] as number]);
    positions.push(positions[0] as Position);
    return positions;
  });
}
