import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { toOnnx } from '../../src/export/onnx/convert.js';
import { kernels } from '../../src/export/onnx/kernels.js';
import { writeOnnx } from '../../src/export/onnx/write.js';
import { differences, toArrays } from '../../src/export/verify/difference.js';
import { fuse } from '../../src/graph/trace/fuse.js';
import type { Graph } from '../../src/graph/trace/graph.js';
import { type Program, traceProgram } from '../../src/graph/trace/trace.js';
import { OnnxSession } from '../../src/segment/engines/onnxSession.js';
import { tf } from '../../src/tf/index.js';
import { disposeUses, FORMS, programOf, USES } from './uses.js';

/** Written in another way from opset 18 or 20 on. */
const NEWER = new Set(['Mean', 'Max', 'Min', 'Prod', 'Gelu', 'LayerNorm', 'ResizeBilinear']);

const folder = mkdtempSync(join(tmpdir(), 'kernels-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
  disposeUses();
});

async function worst(graph: Graph, program: Program, opset: number): Promise<number> {
  const path = join(folder, 'use.onnx');
  await writeOnnx(toOnnx(graph, opset), path);
  const session = await OnnxSession.open(path);
  let largest = 0;
  for (const B of [1, 4]) {
    const inputs = program.inputs({ B });
    const results = program.run(inputs, { B });
    const live = toArrays(results);
    for (const { relative } of differences(live, await session.run(toArrays(inputs))))
      largest = Math.max(largest, relative);
    tf.dispose([...Object.values(inputs), ...Object.values(results)]);
  }
  await session.dispose();
  return largest;
}

describe('ONNX rows', () => {
  test('every row has a use here', () => {
    expect(Object.keys(USES).sort()).toEqual(Object.keys(kernels).sort());
  });

  test.each(Object.entries(USES))('%s gives the live numbers at other sizes', async (kernel, run) => {
    const program = programOf(run);
    const graph = traceProgram(program);
    if (kernel === 'LayerNorm' || kernel === 'Gelu') expect(fuse(graph)[kernel]).toBe(1);
    expect(graph.nodes.map((n) => n.kernel)).toContain(kernel);
    expect(await worst(graph, program, 17)).toBeLessThan(1e-5);
    if (NEWER.has(kernel)) expect(await worst(graph, program, 20)).toBeLessThan(1e-5);
  });

  test.each(Object.entries(FORMS))('%s', async (_, run) => {
    const program = programOf(run);
    expect(await worst(traceProgram(program), program, 17)).toBeLessThan(1e-5);
  });
});
