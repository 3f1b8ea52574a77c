import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SetupError } from '../../core/errors.js';
import { makeFolder } from '../../core/files.js';
import { fuse } from '../../graph/trace/fuse.js';
import { copyGraph } from '../../graph/trace/graph.js';
import { OnnxSession, onnxRuntime } from '../../segment/engines/onnxSession.js';
import { toOnnx } from '../onnx/convert.js';
import type { OnnxGraph } from '../onnx/onnxGraph.js';
import { quantiseInt8, storeFloat16 } from '../onnx/smaller.js';
import { writeOnnx } from '../onnx/write.js';
import { type ExportSource, LIMIT, type Precision, type Runtime, type Target } from './target.js';

const shrink: Readonly<Record<Precision, (graph: OnnxGraph) => number>> = {
  float16: storeFloat16,
  int8: quantiseInt8,
};

const fileName = (program: string, precision?: Precision): string =>
  `${program}${precision === undefined ? '' : `.${precision}`}.onnx`;

/** What the segmenter's ONNX engine reads beside the files; see src/segment/engines/onnx.ts. */
function description({ config, thresholds, scaling, smaller }: ExportSource) {
  const { vit, pixelMean, pixelStd, cellfinder, layout } = config;
  return {
    format: 'cellsam-onnx-1',
    side: vit.imgSize,
    maskSide: (4 * vit.imgSize) / vit.patchSize,
    pixelMean,
    pixelStd,
    layout,
    proposals: cellfinder.proposals,
    scaling,
    smaller,
    thresholds,
  };
}

export const target: Target = {
  about: 'ONNX files for ONNX Runtime and everything else that reads ONNX',
  programs: ['encoder', 'detector', 'decoder', 'box_decoder'],
  async write(source, folder) {
    await makeFolder(folder);
    const written = [];
    for (const { program, graph: plain } of source.traced) {
      const graph = copyGraph(plain);
      fuse(graph);
      const metadata = {
        program: program.about,
        licence: source.licence,
        pixel_mean: source.config.pixelMean.join(' '),
        pixel_std: source.config.pixelStd.join(' '),
        image_side: String(source.config.vit.imgSize),
      };
      for (const precision of [undefined, ...source.smaller]) {
        const onnx = toOnnx(graph, source.opset);
        if (precision !== undefined) shrink[precision](onnx);
        const path = join(folder, fileName(program.name, precision));
        written.push(await writeOnnx(onnx, path, metadata, source.weightsUpTo));
      }
    }
    await writeFile(join(folder, 'cellsam.json'), `${JSON.stringify(description(source), undefined, 2)}\n`);
    return written;
  },
  async runtimes(source, folder, note) {
    try {
      await onnxRuntime();
    } catch (thrown) {
      if (!(thrown instanceof SetupError)) throw thrown;
      note(`ONNX files are not verified: ${thrown.message}`);
      return [];
    }
    return [undefined, ...source.smaller].map((precision) => runtime(folder, precision));
  },
};

function runtime(folder: string, precision: Precision | undefined): Runtime {
  return {
    name: `onnxruntime-node${precision === undefined ? '' : `, ${precision}`}`,
    limit: precision === undefined ? LIMIT : undefined,
    open: (program) => OnnxSession.open(join(folder, fileName(program, precision))),
  };
}
