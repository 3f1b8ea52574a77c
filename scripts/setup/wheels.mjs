// Which wheel holds TensorFlow's library for which machine. Hashes pin the content; the cp312 wheels are named
// because the library inside does not depend on the Python version.
import { Trouble } from './say.mjs';

export const TENSORFLOW_VERSION = '2.21.0';

const HEADERS = [
  ...[
    'c_api',
    'c_api_macros',
    'tf_attrtype',
    'tf_buffer',
    'tf_datatype',
    'tf_status',
    'tf_tensor',
    'tf_tstring',
  ].map((name) => `tensorflow/include/tensorflow/c/${name}.h`),
  'tensorflow/include/tensorflow/c/eager/c_api.h',
  'tensorflow/include/tensorflow/core/platform/ctstring.h',
  'tensorflow/include/tensorflow/core/platform/ctstring_internal.h',
  'tensorflow/include/tsl/platform/ctstring.h',
  'tensorflow/include/tsl/platform/ctstring_internal.h',
  'tensorflow/include/xla/tsl/c/tsl_status.h',
];
const LINUX = ['tensorflow/libtensorflow_cc.so.2', 'tensorflow/libtensorflow_framework.so.2'];
const MACOS = ['tensorflow/libtensorflow_cc.2.dylib', 'tensorflow/libtensorflow_framework.2.dylib'];

const CPU_WHEELS = {
  'linux-x64': {
    package: 'tensorflow-cpu',
    sha256: 'dcc8afd32930e42d5296b6ee19078b773706830af4ea97fbe503b9f5e0f820cb',
    platforms: ['manylinux_2_27_x86_64'],
    libraries: LINUX,
    megabytes: 274,
  },
  'linux-arm64': {
    package: 'tensorflow',
    sha256: 'b07d15737406533898e36c7ef7944b1be18e9028dc521b9229952c537bbc5552',
    platforms: ['manylinux_2_27_aarch64'],
    libraries: LINUX,
    megabytes: 282,
  },
  'darwin-arm64': {
    package: 'tensorflow',
    sha256: '56ecd7d47429acbe1df2694d50b75bf9fc3995ac92cb367cd9af6c4780ead712',
    platforms: ['macosx_12_0_arm64'],
    libraries: MACOS,
    megabytes: 223,
  },
};

const GPU_WHEEL = {
  package: 'tensorflow',
  sha256: 'b3b95643c4e70eb925839938fb35cbe142f317ec84af6844ee61513713bb13c0',
  platforms: ['manylinux_2_27_x86_64'],
  gpuPlatforms: [
    'manylinux_2_27_x86_64',
    'manylinux2014_x86_64',
    'manylinux_2_17_x86_64',
    'manylinux2010_x86_64',
    'manylinux1_x86_64',
  ],
  libraries: LINUX,
  megabytes: 573,
};

/** What `tensorflow[and-cuda]` 2.21.0 names, pinned. Untested: no GPU was at hand. */
export const GPU_WHEELS = [
  ['nvidia-cublas-cu12', '12.9.3.13', 'd7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72'],
  ['nvidia-cuda-cupti-cu12', '12.8.90', 'ea0cb07ebda26bb9b29ba82cda34849e73c166c18162d3913575b0c9db9a6182'],
  ['nvidia-cuda-nvcc-cu12', '12.9.86', '5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0'],
  ['nvidia-cuda-nvrtc-cu12', '12.9.86', '210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4'],
  ['nvidia-cuda-runtime-cu12', '12.9.79', '25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3'],
  ['nvidia-cudnn-cu12', '9.28.0.42', '9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375'],
  ['nvidia-cufft-cu12', '11.4.1.4', 'c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28'],
  ['nvidia-curand-cu12', '10.3.10.19', '49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e'],
  ['nvidia-cusolver-cu12', '11.7.5.82', '15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88'],
  ['nvidia-cusparse-cu12', '12.5.10.65', '73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78'],
  ['nvidia-nccl-cu12', '2.32.3', 'bb94b2348e4861d5e8aa00b36c3d12d9bdf9c6369b82cbb723de0b582280a21c'],
  ['nvidia-nvjitlink-cu12', '12.9.86', 'e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9'],
].map(([name, version, sha256]) => ({ package: name, version, sha256 }));

/** @throws Trouble when no wheel exists for this machine */
export function wheelFor(gpu, platform = process.platform, arch = process.arch) {
  if (gpu && `${platform}-${arch}` !== 'linux-x64') {
    throw new Trouble(`--gpu works on Linux x64 only, this is ${platform} ${arch}.`, 'leave --gpu away.');
  }
  const wheel = gpu ? GPU_WHEEL : CPU_WHEELS[`${platform}-${arch}`];
  if (wheel === undefined) {
    const fix =
      platform === 'win32'
        ? 'use WSL2, where the Linux way works'
        : 'use Linux x64 or arm64, or an Apple-silicon Mac';
    throw new Trouble(
      `TensorFlow ${TENSORFLOW_VERSION} has no library that can be linked on ${platform} ${arch}.`,
      `${fix}.`,
    );
  }
  checkGlibc(platform);
  return { ...wheel, version: TENSORFLOW_VERSION, members: [...wheel.libraries, ...HEADERS] };
}

function checkGlibc(platform) {
  if (platform !== 'linux') return;
  const version = process.report.getReport().header.glibcVersionRuntime;
  if (version === undefined) {
    throw new Trouble(
      'this Linux has no glibc (Alpine has musl).',
      'use a distribution with glibc 2.27 or newer, e.g. Debian or Ubuntu.',
    );
  }
  const [major, minor] = version.split('.').map(Number);
  if (major > 2 || minor >= 27) return;
  throw new Trouble(
    `glibc ${version} is too old; TensorFlow ${TENSORFLOW_VERSION} needs 2.27.`,
    'use a distribution from 2018 or later.',
  );
}
