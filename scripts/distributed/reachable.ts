import { connect } from 'node:net';
import { parseRedisUrl } from '../../packages/runtime/src/index.ts';

const CONNECT_DEADLINE_MS = 3000;
const KAFKA_PORT = 9092;

/** What is wrong with the `REDIS_URL` and `KAFKA_BROKERS` that an environment names, in a sentence; nothing where one is not set. */
export async function findUnreachable(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const { REDIS_URL: redisUrl = '', KAFKA_BROKERS: brokers = '' } = env;
  const redis = redisUrl === '' ? [] : parseRedisUrl(redisUrl)?.addresses;
  if (redis === undefined)
    return 'REDIS_URL is no Redis URL (redis://host:port): set another, or none to have a Redis started.';
  const kafka = brokers
    .split(',')
    .filter((broker) => broker !== '')
    .map(parseBroker);
  for (const [name, addresses] of [
    ['REDIS_URL', redis],
    ['KAFKA_BROKERS', kafka],
  ] as const) {
    if (addresses.length === 0) continue;
    const answers = await Promise.all(addresses.map(listens));
    if (!answers.includes(true)) {
      const where = addresses.map(({ host, port }) => `${host}:${port}`).join(', ');
      return `${name}: nobody listens on ${where}; start it, set another, or none to have one started here.`;
    }
  }
  return undefined;
}

function parseBroker(broker: string): { readonly host: string; readonly port: number } {
  const colon = broker.lastIndexOf(':');
  return colon < 0
    ? { host: broker, port: KAFKA_PORT }
    : { host: broker.slice(0, colon), port: Number(broker.slice(colon + 1)) };
}

function listens({ host, port }: { readonly host: string; readonly port: number }): Promise<boolean> {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (isThere: boolean): void => {
      socket.destroy();
      resolve(isThere);
    };
    socket.setTimeout(CONNECT_DEADLINE_MS, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
