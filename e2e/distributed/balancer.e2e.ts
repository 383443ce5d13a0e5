import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { stopAll } from '../verbs/children.ts';
import { makeClip, USUAL } from '../verbs/clip.ts';
import { startCluster } from '../verbs/deployment.ts';
import type { Cluster } from '../verbs/deployment.ts';
import { SMALL_RUNG, TEST_DEADLINE_MS } from '../verbs/form.ts';
import { createChannel, sessionOf, waitForPlayable } from '../verbs/millrace.ts';
import { publish } from '../verbs/publish.ts';

/** Where an encoder is that is neither the balancer nor an ingest. */
const ENCODER_ADDRESS = '127.0.0.5';

let cluster: Cluster;
const sockets = new Set<Socket>();
/** Passes connections on to the balancer from the encoder's address. */
const relay = createServer((encoder) => {
  const { hostname, port } = new URL(cluster.rtmp);
  const balancer = connect({ host: hostname, port: Number(port), localAddress: ENCODER_ADDRESS });
  for (const socket of [encoder, balancer]) {
    sockets.add(socket);
    socket.on('error', () => undefined);
  }
  encoder.pipe(balancer).pipe(encoder);
});

beforeAll(async () => {
  cluster = await startCluster({ counts: { 'transcode-worker': 1, packager: 1, 'playlist-api': 1 } });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
}, 120_000);

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => relay.close(resolve));
  await cluster.stop();
  await stopAll();
}, 60_000);

test(
  'behind a balancer the address of the encoder is in the session and in the log, not that of the balancer',
  async () => {
    const channel = await createChannel(cluster, 'behind', { ladder: [SMALL_RUNG], graceSeconds: 2 });
    const { port } = relay.address() as AddressInfo;
    const clip = await makeClip({ ...USUAL, size: '426x240', seconds: 10 });
    publish(`rtmp://127.0.0.1:${port}/live/${channel.streamKey}`, clip);
    await waitForPlayable(channel);
    const session = await sessionOf(cluster, channel);
    expect(session?.encoder).toMatch(new RegExp(`^${ENCODER_ADDRESS} FMLE`));
    const log = cluster.of('ingest').map((ingest) => ingest.process.log());
    expect(log.join('\n')).toMatch(
      new RegExp(`"channel":"behind","remoteAddress":"${ENCODER_ADDRESS}".*"Publication started"`),
    );
  },
  TEST_DEADLINE_MS,
);
