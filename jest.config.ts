import type { Config } from 'jest';

/** One configuration for every kind of test; `scripts/test` picks the kind by path pattern. */
const config: Config = {
  testEnvironment: 'node',
  // A deadline, not a measurement: two loaded cores start a process in seconds.
  testTimeout: 30_000,
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2024' },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  testMatch: ['<rootDir>/{packages,services,scripts,e2e,bench}/**/*.{test,e2e}.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  modulePathIgnorePatterns: ['/dist/'],
};

// Jest reads the configuration from the default export; nothing else in the project has one.
export default config;
