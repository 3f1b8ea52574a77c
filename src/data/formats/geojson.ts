import { join } from 'node:path';
import { z } from 'zod';
import { DataError, reason } from '../../core/errors.js';
import { readJson } from '../../io/json.js';
import { imageOptions } from '../imageOptions.js';
import { makeSample } from '../makeSample.js';
import { readPixelImage } from '../readImage.js';
import { listBeside, UNLABELLED } from './beside.js';
import { readHead } from './folder.js';
import { defineFormat } from './format.js';
import { drawObjects, ringOf, type Shape, shapePixels } from './shapes.js';

const isGeoJson = (file: string): boolean => /\.geojson$/i.test(file);

const options = z.strictObject({
  ...imageOptions,
  kind: z
    .enum(['whole-cell', 'nuclear'])
    .default('whole-cell')
    .describe("QuPath's cells have two outlines: that of the cell, or its nucleus"),
});

const geometry = z.object({ type: z.string(), coordinates: z.array(z.unknown()) });
const feature = z.object({
  geometry: geometry.nullable(),
  nucleusGeometry: geometry.optional(),
  properties: z.looseObject({}).nullish(),
});
const collection = z.union([z.object({ features: z.array(feature) }), z.array(feature), feature]);

/** QuPath's export: one GeoJSON file an image, a polygon an object, in pixels. */
export const geojson = defineFormat({
  name: 'geojson',
  about: 'QuPath: a GeoJSON file beside each image, polygons in pixels',
  gives: 'masks',
  options,
  detect: async (root, files) => {
    const first = files.find(isGeoJson);
    return first !== undefined && (await readHead(join(root, first))).includes('"geometry"')
      ? { certainty: 0.95 }
      : undefined;
  },
  list: (root) =>
    listBeside(root, {
      isAnnotation: isGeoJson,
      stem: (s) => s.replace(/_cells$/, ''),
      called: 'GeoJSON files',
    }),
  read: async (root, ref, own) => {
    const [imageFile = '', annotation] = ref.files;
    const image = await readPixelImage(join(root, imageFile), own);
    const base = { dataset: 'geojson', ref, image, licence: own.licence };
    if (annotation === undefined)
      return makeSample({ ...base, instances: { kind: 'none' }, warnings: [UNLABELLED] });
    const where = join(root, annotation);
    const { shapes, warnings } = shapesIn(await readJson(where), where, own.kind);
    const objects = shapes.map((shape) => shapePixels(shape, image.height, image.width));
    const drawn = drawObjects(objects, image, where);
    return makeSample({ ...base, ...drawn, warnings: [...drawn.warnings, ...warnings] });
  },
});

function shapesIn(parsed: unknown, where: string, kind: 'whole-cell' | 'nuclear') {
  try {
    const found = collection.parse(parsed);
    const features = Array.isArray(found) ? found : 'features' in found ? found.features : [found];
    const shapes: Shape[] = [];
    let others = 0;
    for (const { geometry: cell, nucleusGeometry } of features) {
      const shape = shapeOf(kind === 'nuclear' ? (nucleusGeometry ?? cell) : cell);
      if (shape === undefined) others++;
      else shapes.push(shape);
    }
    const warnings = others === 0 ? [] : [`${others} points or lines are left out: they enclose nothing`];
    return { shapes, warnings };
  } catch (thrown) {
    throw new DataError(`${where} is no GeoJSON of objects: ${reason(thrown)}`, {
      where,
      fix: 'export the objects from QuPath again, as a FeatureCollection',
      cause: thrown,
    });
  }
}

function shapeOf(found: z.infer<typeof geometry> | null): Shape | undefined {
  if (found?.type === 'Polygon') return [found.coordinates.map(ringOf)];
  if (found?.type === 'MultiPolygon')
    return found.coordinates.map((polygon) => {
      if (!Array.isArray(polygon)) throw new Error('a polygon is no list of outlines');
      return polygon.map(ringOf);
    });
  return undefined;
}
