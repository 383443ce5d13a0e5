import { describe, expect, test } from '@jest/globals';
import { RtmpServerSession } from '../server/server-session.ts';
import { hex } from '../testdata/wire.ts';
import { RtmpClientSession, type RtmpClientEvent, type RtmpClientOptions } from './client-session.ts';

const pair = (options: Partial<RtmpClientOptions> = {}) => {
  const client = new RtmpClientSession({ app: 'live', streamKey: 'key', ...options });
  const server = new RtmpServerSession(0);
  const events: string[] = [];
  const clientEvents: RtmpClientEvent[] = [];
  const pump = (decide: () => void = () => {}): void => {
    for (;;) {
      const up = client.takeOutput();
      for (const event of up === undefined ? [] : server.push(up, 0)) {
        events.push(
          event.kind === 'message'
            ? `${event.type}@${event.timestampMs}:${event.payload.length}`
            : event.kind,
        );
        if (event.kind === 'publish-request') decide();
      }
      const down = server.takeOutput();
      if (down !== undefined) clientEvents.push(...client.push(down));
      if (up === undefined && down === undefined) return;
    }
  };
  return { client, server, events, clientEvents, pump };
};

describe('client session', () => {
  test.each([
    ['128-byte chunks', {}],
    ['chunks of 4096 and a digest', { chunkSize: 4096, digest: 8 as const }],
    ['an app of two levels and the other digest', { app: 'a/b', digest: 772 as const }],
  ])('publishes to the server session: %s', (_, options) => {
    const { client, server, events, clientEvents, pump } = pair(options);
    pump(() => server.acceptPublish(0));
    expect(clientEvents).toEqual([{ kind: 'publishing' }]);
    client.write('video', 0xfffff0, new Uint8Array(1000));
    client.write('audio', 0x1000010, hex('af01'));
    client.write('video', 0x1000020, new Uint8Array(1000));
    client.unpublish();
    pump();
    expect(events).toEqual([
      'connect',
      'publish-request',
      'video@16777200:1000',
      'audio@16777232:2',
      'video@16777248:1000',
      'unpublish',
    ]);
  });

  test('hears why it was rejected', () => {
    const { server, clientEvents, pump } = pair();
    pump(() => server.refuse('Wrong key.'));
    expect(clientEvents).toEqual([
      { kind: 'rejected', code: 'NetStream.Publish.BadName', description: 'Wrong key.' },
    ]);
  });

  test('answers pings', () => {
    const { server, pump } = pair();
    pump(() => server.acceptPublish(0));
    server.ping(5);
    pump();
    expect(server.lastPongMs).toBe(0);
  });

  test('a server that breaks the protocol ends it with an error', () => {
    const client = new RtmpClientSession({ app: 'live', streamKey: 'key' });
    expect(client.push(new Uint8Array(3073))).toMatchObject([
      { kind: 'error', error: { kind: 'VERSION_UNSUPPORTED' } },
    ]);
    expect(client.push(new Uint8Array(1))).toEqual([]);
  });
});
