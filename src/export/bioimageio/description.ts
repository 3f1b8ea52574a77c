import { ExportError } from '../../core/errors.js';
import type { ModelConfig } from '../../models/options.js';

/** A file of the package with its hash. */
export interface PackageFile {
  readonly source: string;
  readonly sha256: string;
}

export interface PackageFiles {
  readonly input: PackageFile;
  readonly output: PackageFile;
  readonly onnx: PackageFile;
  readonly savedModel: PackageFile;
  readonly tfjs: PackageFile;
}

/** The version of the package format that is written. */
const FORMAT = '0.5.14';

/**
 * `rdf.yaml` of bioimage.io's model format 0.5 as plain data.
 *
 * @param candidates how many boxes the detector gives
 */
export function describePackage(
  config: ModelConfig,
  files: PackageFiles,
  facts: {
    readonly licence: string;
    readonly candidates: number;
    readonly opset: number;
    readonly versions: Versions;
  },
): Record<string, unknown> {
  const side = config.vit.imgSize;
  const { versions } = facts;
  return {
    format_version: FORMAT,
    type: 'model',
    name: 'CellSAM cell detector',
    description:
      'Boxes of cells, with scores, in microscopy images: encoder and detector of a CellSAM model.',
    authors: [{ name: 'CellSAM in TypeScript' }],
    license: spdx(facts.licence),
    documentation: { source: 'README.md' },
    cite: [
      { text: 'Segment anything (Kirillov et al. 2023)', doi: '10.1109/iccv51070.2023.00371' },
      { text: 'CellSAM: a foundation model for cell segmentation', doi: '10.1101/2023.11.17.567630' },
    ],
    tags: ['cells', 'detection', '2d', 'microscopy', 'cellsam'],
    inputs: [
      tensor(
        'image',
        'Three channels with values 0..255; a single channel belongs in the last one',
        files.input,
        [
          { type: 'channel', id: 'channel', channel_names: ['first', 'nuclear', 'whole_cell'] },
          { type: 'space', id: 'y', size: side },
          { type: 'space', id: 'x', size: side },
        ],
      ),
    ],
    outputs: [
      tensor('candidates', 'Corners of every candidate in pixels, and its score', files.output, [
        { type: 'index', id: 'candidate', size: facts.candidates },
        { type: 'channel', id: 'channel', channel_names: ['x0', 'y0', 'x1', 'y1', 'score'] },
      ]),
    ],
    weights: {
      onnx: { ...files.onnx, opset_version: facts.opset },
      tensorflow_saved_model_bundle: {
        ...files.savedModel,
        tensorflow_version: versions.tensorflow,
        parent: 'onnx',
      },
      tensorflow_js: { ...files.tfjs, tensorflow_version: versions.tfjs, parent: 'onnx' },
    },
  };
}

export interface Versions {
  readonly tensorflow: string;
  readonly tfjs: string;
}

function tensor(id: string, description: string, test: PackageFile, axes: readonly object[]) {
  return {
    id,
    description,
    axes: [{ type: 'batch' }, ...axes],
    test_tensor: test,
    data: { type: 'float32' },
  };
}

/** The SPDX identifier within a licence told in words. @throws ExportError when there is none */
export function spdx(licence: string): string {
  const found =
    /(Apache-2\.0|MIT|BSD-[23]-Clause|CC0-1\.0|CC-BY(?:-NC)?(?:-SA|-ND)?-4\.0|GPL-[23]\.0-(?:only|or-later))/.exec(
      licence,
    );
  if (found === null)
    throw new ExportError(`a bioimage.io package needs an SPDX licence; the model's is \`${licence}\``, {
      fix: 'name the licence of the weights, e.g. --licence CC-BY-4.0',
    });
  return found[0];
}

/** The package's documentation. */
export function packageReadme(
  config: ModelConfig,
  facts: { readonly training: string; readonly licence: string; readonly differences: readonly string[] },
): string {
  const { vit, cellfinder } = config;
  return `# CellSAM cell detector

Finds cells in microscopy images: an image of ${vit.imgSize} x ${vit.imgSize} px with three channels and values 0..255 gives
${cellfinder.proposals === 'dense' ? 'one candidate box for each cell of a grid' : 'one candidate box for each query'}, with a score. Keep those above a threshold, and of boxes that overlap the best.

Stretch each channel between its 0.5 and 99.8 percentiles to 0..255 first. An image with one channel belongs in the third
channel, cells brighter than their surroundings, the others zero.

## Training

${facts.training === '' ? 'Not told.' : facts.training}

Licence of the weights: ${facts.licence}.

## Validation

The ONNX form was compared with the model that it was made from, on the test input; largest difference relative to
the largest value: ${facts.differences.length === 0 ? 'not compared' : facts.differences.join('; ')}.
How well the model finds cells is measured with \`cellsam evaluate\` on images of your own kind.
`;
}
