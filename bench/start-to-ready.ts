/**
 * Service start to ready: from spawning the bundled standalone to the line that says it is ready, with V8's compile cache warm,
 * cold and off, beside a Node that does nothing.
 *
 * Needs a bundled Millrace (`pnpm bundle`). Options: `--help`. Exit codes: 0 measured, 1 failed, 2 wrong options.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recordProfile } from './lib/cpu-profile.ts';
import { parseOptions } from './lib/options.ts';
import { figure, report } from './lib/report.ts';
import { summarize } from './lib/statistics.ts';
import { startStandalone } from './lib/standalone.ts';

const options = parseOptions({ pairs: { long: 9, short: 3, describe: 'starts of each kind, interleaved' } });

async function measure(
  env: Readonly<Record<string, string>>,
  nodeFlags: readonly string[] = [],
): Promise<number> {
  const standalone = await startStandalone({ channels: [], env, nodeFlags });
  await standalone.stop();
  return standalone.readyMs / 1000;
}

function measureBareNode(): number {
  const startedAt = performance.now();
  execFileSync(process.execPath, ['-e', '0']);
  return (performance.now() - startedAt) / 1000;
}

const cache = mkdtempSync(join(tmpdir(), 'millrace-compile-cache-'));
const seconds: Record<'warm' | 'cold' | 'off' | 'node', number[]> = { warm: [], cold: [], off: [], node: [] };
try {
  const warm = { NODE_COMPILE_CACHE: join(cache, 'warm') };
  // The cache is written when a process ends: two starts fill it.
  await measure(warm);
  await measure(warm);
  for (let pair = 0; pair < options.pairs; pair += 1) {
    seconds.warm.push(await measure(warm));
    seconds.cold.push(await measure({ NODE_COMPILE_CACHE: join(cache, `cold-${pair}`) }));
    seconds.off.push(await measure({ NODE_DISABLE_COMPILE_CACHE: '1' }));
    seconds.node.push(measureBareNode());
  }
  const isMissed = summarize(seconds.warm).median > 0.5;
  const profile = async (): Promise<readonly string[]> => {
    const recording = recordProfile();
    await measure(warm, recording.nodeFlags);
    return recording.summarize();
  };
  report(
    'start-to-ready',
    [
      figure('start to ready, compile cache warm', seconds.warm, { unit: 's', target: { atMost: 0.5 } }),
      figure('start to ready, compile cache cold', seconds.cold, { unit: 's' }),
      figure('start to ready, compile cache off', seconds.off, { unit: 's' }),
      figure('a Node that does nothing', seconds.node, { unit: 's' }),
    ],
    {
      isShort: options.isShort,
      notes: { how: 'bundled standalone, `NODE_COMPILE_CACHE` in a directory of the bench, no channels' },
      profile: isMissed ? await profile() : undefined,
    },
  );
} finally {
  rmSync(cache, { recursive: true, force: true });
}
