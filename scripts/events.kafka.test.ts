import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Registry } from 'prom-client';
import { createLogger, eventBusConfigSchema, KafkaEventBus } from '../packages/runtime/src/index.ts';
import { KafkaCluster } from './kafka/kafka-cluster.ts';

const directory = mkdtempSync(join(tmpdir(), 'millrace-events-'));
const children: ChildProcess[] = [];
let cluster: KafkaCluster;

beforeAll(async () => {
  cluster = await KafkaCluster.create({ directory: join(directory, 'cluster'), brokers: 1 });
}, 120_000);
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await cluster.down();
  rmSync(directory, { recursive: true });
}, 30_000);

function run(...argv: readonly string[]) {
  const { KAFKA_BROKERS: _, ...env } = process.env;
  const child = spawn(process.execPath, ['scripts/events.ts', ...argv], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  return child;
}

describe('scripts/events', () => {
  test('prints events as they happen, and ends when it is asked to', async () => {
    const brokers = [...cluster.addresses()];
    const bus = new KafkaEventBus({
      ...eventBusConfigSchema.parse({ kafka: { brokers }, events: { partitions: 1 } }),
      service: 'ingest',
      instance: 'ingest-1',
      logger: createLogger({ service: 'test', level: 'error' }),
      registry: new Registry(),
    });
    // The first to come makes the topics that the script waits for.
    bus.start();
    const child = run('--kafka.brokers', brokers.join(','));
    const said = createInterface(child.stderr);
    for await (const line of said) if (line.startsWith('Listening')) break;
    bus.publish({
      id: '01JD',
      source: '/ingest/ingest-1',
      timeMs: Date.UTC(2026, 10, 23),
      subject: 's1',
      channel: 'news',
      event: { type: 'SessionOpened', data: { channel: 'news', sessionId: 's1' } },
    });
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    expect(JSON.parse(line)).toEqual({
      time: '2026-11-23T00:00:00.000Z',
      type: 'SessionOpened',
      id: '01JD',
      source: '/ingest/ingest-1',
      subject: 's1',
      channel: 'news',
      data: { channel: 'news', sessionId: 's1' },
    });
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([0, null]);
    await bus.stop(5000);
  }, 60_000);

  test('says what is missing when no brokers are named', async () => {
    const child = run();
    const [line] = (await once(createInterface(child.stderr), 'line')) as [string];
    expect(line).toContain('set KAFKA_BROKERS');
    expect(await once(child, 'exit')).toEqual([2, null]);
  });
});
