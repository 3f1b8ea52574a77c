import { TestEnvironment } from 'jest-environment-node';

// jest runs tests in a context of its own, where typed arrays and errors that come from native code,
// workers or structuredClone are not `instanceof` the context's own classes. The host's take their place.
const HOST = {
  ArrayBuffer,
  SharedArrayBuffer,
  DataView,
  Error,
  TypeError,
  RangeError,
  Promise,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
};

export default class HostTypesEnvironment extends TestEnvironment {
  async setup() {
    await super.setup();
    Object.assign(this.global, HOST);
  }
}
