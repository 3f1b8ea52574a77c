import { existsSync } from 'node:fs';
import { cpus, freemem, totalmem } from 'node:os';
import { reason } from '../core/errors.js';
import { processorFeatures } from '../core/processor.js';

/** What `cellsam doctor` found. */
export interface Diagnosis {
  readonly node: string;
  readonly platform: string;
  readonly cores: number;
  readonly memoryGb: { readonly total: number; readonly free: number };
  readonly cpu: { readonly model: string; readonly features: readonly string[] };
  readonly backend?: string;
  readonly tensorflow?: string;
  readonly tfjs?: string;
  readonly gpu: boolean;
  readonly oneDnn: boolean;
  /** Where the library came from: `wheel`, `official`, `wasm`, or `unknown`. */
  readonly librarySource: string;
  readonly library?: string;
  /** What is wrong, each with its repair; empty when all is well. */
  readonly findings: readonly Finding[];
}

interface Finding {
  readonly message: string;
  readonly fix: string;
}

const CPU_FEATURES = ['avx2', 'fma', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'amx_tile'];

/** Looks at Node, TensorFlow and the machine; computes one product to prove that the backend works. */
export async function doctor(): Promise<Diagnosis> {
  const findings: Finding[] = [];
  const backend = await describeBackend(findings);
  if (totalmem() < 7e9) {
    findings.push({
      message: `${gb(totalmem())} GB of memory; full-size training needs 8 GB`,
      fix: 'use the preset vit_t, or a larger machine',
    });
  }
  return {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    cores: cpus().length,
    memoryGb: { total: gb(totalmem()), free: gb(freemem()) },
    cpu: { model: cpus()[0]?.model ?? 'unknown', features: cpuFeatures() },
    gpu: false,
    oneDnn: process.env['TF_ENABLE_ONEDNN_OPTS'] !== '0',
    librarySource: 'unknown',
    ...backend,
    findings,
  };
}

async function describeBackend(findings: Finding[]): Promise<Partial<Diagnosis>> {
  try {
    const { backendInfo, tf } = await import('../tf/index.js');
    const product = tf.tidy(() => tf.matMul(tf.ones([2, 3]), tf.ones([3, 2])).dataSync()[0]);
    if (product !== 3) {
      findings.push({
        message: `a product of ones gave ${product}`,
        fix: 'delete node_modules and run `npm run setup`',
      });
    }
    const info = backendInfo();
    if (info.name !== 'tensorflow') {
      findings.push({
        message: `the backend is ${info.name}: segmentation is slow and training does not work (${info.library?.why ?? 'no library'})`,
        fix: 'run `npm run setup` with a network that reaches PyPI, Python 3 with pip, and a C++ compiler',
      });
    }
    if (info.library?.library !== undefined && !existsSync(info.library.library)) {
      findings.push({
        message: `the library's folder ${info.library.library} is gone`,
        fix: 'run `npm run setup`',
      });
    }
    return {
      backend: info.name,
      ...(info.tensorflow === undefined ? {} : { tensorflow: info.tensorflow }),
      tfjs: info.tfjs,
      gpu: info.gpu,
      librarySource: info.library?.source ?? 'unknown',
      ...(info.library?.library === undefined ? {} : { library: info.library.library }),
    };
  } catch (thrown) {
    findings.push({
      message: `TensorFlow does not load: ${reason(thrown).split('\n')[0]}`,
      fix: 'run `npm run setup`',
    });
    return {};
  }
}

/** From the kernel's list; empty where there is none (macOS, Windows). */
const cpuFeatures = (): string[] => CPU_FEATURES.filter((name) => processorFeatures().includes(name));

const gb = (bytes: number): number => Math.round(bytes / 1e8) / 10;
