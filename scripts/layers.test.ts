import { expect, test } from '@jest/globals';
import { findLayerOffences } from './layers.ts';

const ADAPTER = 'services/transcode-worker/src/adapters/x.ts';

test.each([
  "import { kill } from 'node:process';",
  "import process from 'process';",
  "const { kill } = await import('node:process');",
  'process.kill(-pid);',
  'const { env } = process;',
  'const home = globalThis.process.env;',
  'use(process);',
  "const home = process['env'];",
])('only main.ts touches the process: %s', (text) => {
  expect(findLayerOffences(ADAPTER, text)).toEqual([`${ADAPTER}: only main.ts touches process`]);
  expect(findLayerOffences('services/transcode-worker/src/main.ts', text)).toEqual([]);
  expect(findLayerOffences('services/transcode-worker/src/adapters/x.test.ts', text)).toEqual([]);
});

test.each([
  '/** Ends the process. Nothing else does. */',
  "import { spawn } from 'node:child_process';",
  "import { PipedChild } from './child-process.ts';",
  "throw new Error('The process, once gone, is gone: a process.');",
  'standalone.process.cpu();',
])('what only looks like it does not: %s', (text) => {
  expect(findLayerOffences(ADAPTER, text)).toEqual([]);
});

test.each([
  ['services/packager/src/app.ts', "import { x } from '@millrace/ingest';"],
  ['services/packager/src/app.ts', "import { x } from '@millrace/media/src/hls';"],
  ['services/packager/src/app.ts', "import { x } from '../../../services/ingest/src/app.ts';"],
  ['packages/media/src/flv/demuxer.ts', "import { readFileSync } from 'node:fs';"],
  ['e2e/observer/follow.ts', "import { x } from '@millrace/media';"],
  ['elsewhere/x.ts', ''],
])('%s may not have: %s', (path, text) => {
  expect(findLayerOffences(path, text)).toHaveLength(1);
});

test('standalone may import every service, a test its fakes, a contract suite by its name', () => {
  expect(
    findLayerOffences('services/standalone/src/app.ts', "import { x } from '@millrace/packager';"),
  ).toEqual([]);
  expect(
    findLayerOffences(
      'services/packager/src/app.test.ts',
      "import { x } from '@millrace/testkit';\nimport { y } from '@millrace/runtime/contract';",
    ),
  ).toEqual([]);
});
