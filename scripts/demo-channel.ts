import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the demo channel is declared, and the key that publishes to it. */
export interface DemoChannel {
  readonly channelFile: string;
  readonly streamKey: string;
}

/**
 * Declares the channel `demo` in a file of the state directory, with a stream key that is made once and kept there, so that
 * OBS's settings survive a restart. `hasFullLadder` false leaves the top rung out.
 */
export function declareDemoChannel(stateDirectory: string, hasFullLadder: boolean): DemoChannel {
  const keyPath = join(stateDirectory, 'demo-key');
  const kept = existsSync(keyPath) ? readFileSync(keyPath, 'utf8').trim() : '';
  const streamKey = kept === '' ? `demo-${randomBytes(12).toString('hex')}` : kept;
  writeFileSync(keyPath, `${streamKey}\n`, { mode: 0o600 });
  const ladder = [
    ...(hasFullLadder ? ['{ name: 720p, width: 1280, height: 720, bitrateBps: 2800000 }'] : []),
    '{ name: 480p, width: 854, height: 480, bitrateBps: 1200000 }',
    '{ name: 360p, width: 640, height: 360, bitrateBps: 700000 }',
  ];
  const channelFile = join(stateDirectory, 'demo.yaml');
  const text = `# Written anew by scripts/up at every start.
channels:
  demo:
    settings:
      title: Demo
      ladder:
${ladder.map((rung) => `        - ${rung}`).join('\n')}
    streamKeys:
      - { name: demo, key: ${streamKey} }
`;
  writeFileSync(channelFile, text, { mode: 0o600 });
  return { channelFile, streamKey };
}
