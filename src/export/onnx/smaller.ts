import { floatToHalf } from '../../io/half.js';
import type { OnnxGraph, OnnxNode } from './onnxGraph.js';

/** Smaller constants stay as they are. */
const ENOUGH = 256;

/**
 * Weights are stored as float16 and widened when a session is made: half the file, the speed and memory of float32.
 * Constants with values beyond float16's range are left alone.
 *
 * @returns how many constants were changed
 */
export function storeFloat16(graph: OnnxGraph): number {
  const casts: OnnxNode[] = [];
  for (const [name, { dtype, data, dims }] of [...graph.initialisers]) {
    if (dtype !== 'float32' || data.length < ENOUGH) continue;
    const half = floatToHalf(data as Float32Array);
    const isInfinite = (bits: number) => (bits & 0x7c00) === 0x7c00;
    if (half.some((bits, i) => isInfinite(bits) && Number.isFinite(data[i]))) continue;
    graph.initialisers.delete(name);
    graph.initialisers.set(`${name}/float16`, { dtype: 'float16', dims, data: half });
    const attrs = { to: 1 };
    casts.push({ type: 'Cast', name: `${name}/widen`, inputs: [`${name}/float16`], outputs: [name], attrs });
  }
  graph.nodes.unshift(...casts);
  return casts.length;
}

/**
 * Products with a constant matrix run in int8: weights symmetric with a scale for each column, activations quantised as
 * they come. It is the chain that ONNX Runtime fuses into one kernel. Attention's own products, convolutions and the
 * last layers of heads, with few outputs, stay in float32.
 *
 * @returns how many products were changed
 */
export function quantiseInt8(graph: OnnxGraph): number {
  const quantised = new Map<string, readonly [values: string, scale: string, zero: string]>();
  let count = 0;
  graph.nodes = graph.nodes.flatMap((node) => {
    const [a = '', b = ''] = node.inputs;
    const weight = node.type === 'MatMul' ? graph.initialisers.get(b) : undefined;
    if (weight === undefined || weight.dims.length !== 2 || weight.data.length < ENOUGH) return [node];
    const columns = weight.dims[1] as number;
    if (columns < 16) return [node];
    const steps: OnnxNode[] = [];
    const step = (type: string, inputs: string[], outputs: string[], attrs: OnnxNode['attrs'] = {}) =>
      void steps.push({ type, name: `${node.name}/${type}${steps.length}`, inputs, outputs, attrs });
    const { values, scales } = quantisedColumns(weight.data as Float32Array, columns);
    graph.initialisers.set(`${b}/int8`, { dtype: 'int8', dims: weight.dims, data: values });
    graph.initialisers.set(`${b}/scale`, { dtype: 'float32', dims: [columns], data: scales });
    graph.initialisers.set(`${b}/zero`, { dtype: 'int8', dims: [columns], data: new Int8Array(columns) });
    const known = quantised.get(a);
    const [values8, scale, zero] = known ?? [`${a}/int8`, `${a}/scale`, `${a}/zero`];
    if (known === undefined) step('DynamicQuantizeLinear', [a], [values8, scale, zero]);
    quantised.set(a, [values8, scale, zero]);
    const [sums, wide, factor] = [`${node.name}/sums`, `${node.name}/wide`, `${node.name}/factor`];
    step('MatMulInteger', [values8, `${b}/int8`, zero, `${b}/zero`], [sums]);
    step('Cast', [sums], [wide], { to: 1 });
    step('Mul', [scale, `${b}/scale`], [factor]);
    step('Mul', [wide, factor], node.outputs);
    count++;
    return steps;
  });
  graph.tidy();
  return count;
}

function quantisedColumns(data: Float32Array, columns: number) {
  const scales = new Float32Array(columns).fill(1e-12);
  for (const [i, value] of data.entries())
    scales[i % columns] = Math.max(scales[i % columns] as number, Math.abs(value) / 127);
  return { scales, values: Int8Array.from(data, (v, i) => Math.round(v / (scales[i % columns] as number))) };
}
