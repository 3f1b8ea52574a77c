import { writeFile } from 'node:fs/promises';
import { csvField } from '../../core/csv.js';
import { areasOf } from '../../image/labels.js';
import { packedObjects } from '../../image/rle.js';
import type { PixelImage } from '../../image/types.js';
import type { Output } from './output.js';

/** One feature a cell, as QuPath imports it. */
export const geoJson: Output = {
  suffix: '_cells.geojson',
  about: 'outlines for QuPath (GeoJSON)',
  async write({ cells }, path) {
    await writeFile(path, JSON.stringify(cells.toGeoJson()));
  },
};

/** One image with compressed run lengths. */
export const cocoJson: Output = {
  suffix: '_coco.json',
  about: 'COCO annotations (JSON, run lengths)',
  async write({ cells, fileName }, path) {
    const { height, width } = cells.labels;
    const areas = areasOf(cells.labels);
    const annotations = packedObjects(cells.labels).map((counts, i) => {
      const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = cells.boxes.xyxy.subarray(i * 4, i * 4 + 4);
      return {
        id: i + 1,
        image_id: 1,
        category_id: 1,
        iscrowd: 0,
        area: areas[i],
        bbox: [x0, y0, x1 - x0, y1 - y0],
        segmentation: { size: [height, width], counts },
        score: cells.scores[i] ?? 0,
      };
    });
    const document = {
      images: [{ id: 1, file_name: fileName, height, width }],
      categories: [{ id: 1, name: 'cell' }],
      annotations,
    };
    await writeFile(path, JSON.stringify(document));
  },
};

/** Centre and box in pixels; the first pixel covers 0 to 1. */
const PLACE = ['label', 'x', 'y', 'x0', 'y0', 'x1', 'y1'] as const;
/** The diameter is that of a circle of the same area. */
const SIZE = ['area px', 'area um2', 'diameter px', 'diameter um', 'perimeter px', 'perimeter um'] as const;
const SHAPE = ['eccentricity'] as const;

/** Seven digits: as many as the values of images have. */
const rounded = (value: number): number => Number(value.toPrecision(7));

/** Micrometres of a pixel's side; undefined where it is unknown or pixels are not square: lengths then have no one factor. */
function squareSide(pixelSizeUm: PixelImage['pixelSizeUm']): number | undefined {
  if (pixelSizeUm === undefined) return undefined;
  const [y, x] = pixelSizeUm;
  return Math.abs(y - x) <= 1e-3 * x ? x : undefined;
}

/** One line a cell. Micrometres are left out where the pixels' size is unknown. */
export const measurementsCsv: Output = {
  suffix: '_measurements.csv',
  about: 'one line a cell: place, size, shape, intensities, score (CSV)',
  async write({ cells, image }, path) {
    const intensities = image.channels.flatMap((name) => [`mean ${name}`, `max ${name}`]);
    const head = [...PLACE, ...SIZE, ...SHAPE, ...intensities, 'score'];
    const side = squareSide(cells.pixelSizeUm ?? image.pixelSizeUm);
    const lines = [head.map(csvField).join(',')];
    for (const m of cells.measure(image)) {
      const diameter = (area: number | undefined) =>
        area === undefined ? '' : rounded(2 * Math.sqrt(area / Math.PI));
      lines.push(
        [
          m.label,
          ...[m.x, m.y, ...m.box],
          ...[m.areaPx, m.areaUm2 === undefined ? '' : rounded(m.areaUm2)],
          ...[diameter(m.areaPx), diameter(m.areaUm2)],
          ...[rounded(m.perimeter), side === undefined ? '' : rounded(m.perimeter * side)],
          rounded(m.eccentricity),
          ...m.mean.flatMap((mean, c) => [rounded(mean), rounded(m.max[c] as number)]),
          rounded(cells.scores[m.label - 1] ?? 0),
        ].join(','),
      );
    }
    await writeFile(path, `${lines.join('\n')}\n`);
  },
};
