import { writeFile } from 'node:fs/promises';
import { areasOf } from '../../image/labels.js';
import { packedObjects } from '../../image/rle.js';
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

/** One line a cell. */
export const measurementsCsv: Output = {
  suffix: '_measurements.csv',
  about: 'one line a cell: place, size, shape, intensities, score (CSV)',
  async write({ cells, image }, path) {
    const names = image.channels.flatMap((name) => [`mean ${name}`, `max ${name}`]);
    const head = [
      'label',
      'x',
      'y',
      'area px',
      'area um2',
      'x0',
      'y0',
      'x1',
      'y1',
      'perimeter px',
      'eccentricity',
    ];
    const lines = [[...head, ...names, 'score'].map(quoted).join(',')];
    for (const m of cells.measure(image)) {
      const intensities = m.mean.flatMap((mean, c) => [mean, m.max[c] as number]);
      const score = cells.scores[m.label - 1] ?? 0;
      const numbers = [m.perimeter, m.eccentricity, ...intensities, score].map((v) =>
        Number(v.toPrecision(7)),
      );
      lines.push([m.label, m.x, m.y, m.areaPx, m.areaUm2 ?? '', ...m.box, ...numbers].join(','));
    }
    await writeFile(path, `${lines.join('\n')}\n`);
  },
};

function quoted(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
