import { createServer } from 'node:net';
import type { Server } from 'node:net';

/** Below the ports that systems give to outgoing connections, where a process that is started again may find its port taken. */
const FIRST_PORT = 10_240;
const LAST_PORT = 32_703;
/** The first port of a block is held by whoever hands out the others. */
const BLOCK_PORTS = 64;
const BLOCKS = Math.floor((LAST_PORT + 1 - FIRST_PORT) / BLOCK_PORTS);
const MAX_TRIES = 200;
const HOST = '127.0.0.1';

let unused: number[] = [];
let turn: Promise<unknown> = Promise.resolve();

/**
 * So many different ports on loopback for processes that are started on them, also again and again: no other process that asks
 * here is given them while this one lives, and no outgoing connection.
 */
export function reservePorts(count: number): Promise<readonly number[]> {
  const ports = turn.then(() => take(count));
  turn = ports.catch(() => undefined);
  return ports;
}

async function take(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = unused.shift();
    if (port === undefined) unused = await holdBlock();
    else if (await isFree(port)) ports.push(port);
  }
  return ports;
}

async function holdBlock(): Promise<number[]> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const first = FIRST_PORT + BLOCK_PORTS * Math.floor(Math.random() * BLOCKS);
    const holder = await listenOn(first);
    if (holder === undefined) continue;
    holder.unref();
    return Array.from({ length: BLOCK_PORTS - 1 }, (_, index) => first + 1 + index);
  }
  throw new Error(`no ports are free between ${FIRST_PORT} and ${LAST_PORT}`);
}

async function isFree(port: number): Promise<boolean> {
  const server = await listenOn(port);
  if (server === undefined) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

function listenOn(port: number): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(port, HOST, () => resolve(server));
  });
}
