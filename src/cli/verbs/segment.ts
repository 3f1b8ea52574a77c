import { dirname } from 'node:path';
import { parseArguments } from '../../config/arguments.js';
import { counted } from '../../core/plural.js';
import {
  type SegmentedImage,
  type SegmentJob,
  type SegmentSummary,
  segmentFiles,
  segmentJob,
  shippedModel,
} from '../../jobs/segment.js';
import type { Verb, VerbArguments } from '../verb.js';

export const verb: Verb<SegmentSummary> = {
  command: 'segment <inputs..>',
  about: 'find the cells of images and write their masks',
  examples: [
    ['cellsam segment cells.tif', 'with the small model that comes with the project'],
    ['cellsam segment images/ --model model.safetensors', 'label images beside every image of a folder'],
    ['cellsam segment images/ --engine onnx', 'the same on ONNX Runtime'],
    ['cellsam segment a.tif --model m.safetensors --save tiff,csv,rois --out results', 'several outputs'],
  ],
  positionals: { inputs: { describe: 'image files, folders, or patterns', type: 'string', array: true } },
  options: {
    model: {
      describe: 'model file, or the folder of a run or adaptation; the small one of assets/ when absent',
      type: 'string',
      default: shippedModel,
      defaultDescription: 'the model that comes with the project',
    },
    engine: {
      describe:
        'tensorflow, or onnx: ONNX Runtime, with --model a folder that `export --to onnx` wrote or a model file',
      type: 'string',
      default: 'tensorflow',
    },
    precision: {
      describe: 'of the files for ONNX Runtime: float32, float16 or int8',
      type: 'string',
      default: 'float32',
    },
    out: { describe: 'folder for the results; beside each image when absent', type: 'string' },
    save: {
      describe: 'any of tiff, outlines, overlay, rois, geojson, coco, csv, npy, zarr, with commas',
      type: 'string',
      default: 'tiff',
    },
    overwrite: {
      describe: 'replace files that are there, also those by other settings',
      type: 'boolean',
      default: false,
    },
    boxes: { describe: 'JSON file with boxes for each image; nothing is detected then', type: 'string' },
    channels: {
      describe:
        'channels to use, by index (from 0) or name: `2`, `nuclear=DAPI,whole-cell=3`; all when absent',
      type: 'string',
    },
    'pixel-size': { describe: 'micrometres per pixel, where files do not tell', type: 'number' },
    thresholds: { describe: 'model, paper, library or evaluation', type: 'string', default: 'model' },
    'box-threshold': { describe: 'replaces the box threshold of the set', type: 'number' },
    'min-size': { describe: 'smallest cell in pixels', type: 'number', default: 25 },
    'fill-holes': { describe: 'fill background inside a cell', type: 'boolean', default: true },
    boundaries: { describe: 'keep, inner or published', type: 'string', default: 'keep' },
    smooth: { describe: 'smooth outlines as CellSAM can', type: 'boolean', default: false },
    'low-contrast': {
      describe: 'enhance images that are low in contrast, as CellSAM can',
      type: 'boolean',
      default: false,
    },
    'gauge-cell-size': {
      describe: 'tiles for small cells, the whole image for large ones, as CellSAM can',
      type: 'boolean',
      default: false,
    },
    fit: {
      describe:
        'native, pad or stretch: how an image comes into the model’s frame; auto: as the model was trained',
      type: 'string',
      default: 'auto',
    },
    scaling: {
      describe: "auto, plain or published (CellSAM's own input scalings)",
      type: 'string',
      default: 'auto',
    },
    'max-memory': {
      describe: 'e.g. 4GB: images that need more are segmented tile by tile',
      type: 'string',
    },
    threads: { describe: 'threads that decode images ahead', type: 'number' },
    zoom: {
      describe: 'magnification for models with dense proposals; from the cells’ size when absent',
      type: 'number',
    },
    tile: {
      describe: 'side of tiles in pixels; 0: chosen by the model and the image',
      type: 'number',
      default: 0,
    },
    overlap: { describe: 'pixels that neighbouring tiles share, at most half a tile', type: 'number' },
  },
  run: (args, context) => segmentFiles(jobOf(args), context),
  render: (summary) => {
    const cells = summary.images.reduce((n, image) => n + image.cells, 0);
    const { images, summaries } = summary;
    const lines = images.map((image) => imageText(image, images.length === 1));
    const files = images.length < 2 ? 0 : images.reduce((n, image) => n + image.files.length, 0);
    const where = [
      ...(files === 0 ? [] : [`${counted(files, 'file')} in ${placesOf(images)}`]),
      ...(summaries.length === 0 || images.length === 0 ? [] : [`summary: ${summaries.join(', ')}`]),
    ];
    return [
      ...lines,
      ...where,
      `${counted(images.length, 'image')}, ${counted(cells, 'cell')}, ${summary.seconds.toFixed(1)} s${skippedText(summary)}`,
    ].join('\n');
  },
};

/** `a.png: 42 cells, zoom 1.6, box threshold 0.4`; of one image alone also its files, which a list of many would drown in. */
function imageText({ path, cells, zoom, boxThreshold, files }: SegmentedImage, isAlone: boolean): string {
  const parts = [
    counted(cells, 'cell'),
    ...(zoom === null ? [] : [`zoom ${Number(zoom.toPrecision(3))}`]),
    ...(boxThreshold === null ? [] : [`box threshold ${Number(boxThreshold.toPrecision(3))}`]),
  ];
  return `${path}: ${parts.join(', ')}${isAlone ? ` -> ${files.join(', ')}` : ''}`;
}

/** Folders of results: the one, or the first and how many more. */
function placesOf(images: readonly SegmentedImage[]): string {
  const [first = '.', ...others] = new Set(images.flatMap(({ files }) => files.map((file) => dirname(file))));
  return others.length === 0 ? first : `${first} and ${counted(others.length, 'other folder')}`;
}

/** What was not done again, and how it is: `; there already, not counted: 5 by the same settings (--overwrite makes them again)`. */
function skippedText({ skipped, uncompared }: SegmentSummary): string {
  const known = skipped.length - uncompared.length;
  const parts = [
    ...(known === 0 ? [] : [`${known} by the same settings`]),
    ...(uncompared.length === 0 ? [] : [`${uncompared.length} by settings that are not known`]),
  ];
  if (parts.length === 0) return '';
  return `; there already, not counted: ${parts.join(', ')} (--overwrite makes them again)`;
}

/** `0,DAPI` as a list, `nuclear=0,whole-cell=DAPI` as new names. */
function channelsOf(text: string): (string | number)[] | Record<string, string | number> {
  const value = (word: string): string | number => (/^\d+$/.test(word) ? Number(word) : word);
  const parts = text.split(',').map((part) => part.trim());
  if (!parts.every((part) => part.includes('='))) return parts.map(value);
  return Object.fromEntries(
    parts.map((part) => {
      const at = part.indexOf('=');
      return [part.slice(0, at), value(part.slice(at + 1))];
    }),
  );
}

/** @throws UsageError listing every argument that is not understood */
function jobOf(args: VerbArguments): SegmentJob {
  const given = {
    model: args['model'],
    engine: args['engine'],
    precision: args['precision'],
    inputs: args['inputs'],
    out: args['out'],
    save: String(args['save']).split(','),
    overwrite: args['overwrite'],
    boxes: args['boxes'],
    threads: args['threads'],
    maxMemory: args['max-memory'],
    images: {
      channels: args['channels'] === undefined ? undefined : channelsOf(String(args['channels'])),
      pixelSizeUm: args['pixel-size'],
    },
    segment: {
      thresholds: args['thresholds'],
      boxThreshold: args['box-threshold'],
      minSize: args['min-size'],
      fillHoles: args['fill-holes'],
      boundaries: args['boundaries'],
      smooth: args['smooth'],
      lowContrast: args['low-contrast'],
      gaugeCellSize: args['gauge-cell-size'],
      fit: args['fit'],
      scaling: args['scaling'],
      zoom: args['zoom'],
      tile: args['tile'],
      overlap: args['overlap'],
    },
  };
  return parseArguments(segmentJob, given, 'segment');
}
