// Tests run on the compiled program (dist/test), never on sources transformed on the fly:
// a worker started from a .ts file would not be transformed, and types would go unchecked.
export default {
  testEnvironment: '<rootDir>/test/environment.mjs',
  testMatch: ['<rootDir>/dist/test/**/*.test.js'],
  transform: {},
  // Tests have a temporary folder of their own, which goes with them.
  cacheDirectory: '<rootDir>/node_modules/.cache/jest',
  testTimeout: 60_000,
  maxWorkers: 2,
  setupFilesAfterEnv: ['<rootDir>/dist/test/support/matchers.js'],
};
