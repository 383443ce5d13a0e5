import { readFileSync } from 'node:fs';

/**
 * The most bytes that wait in the kernel on one connection to a loopback port: those the client's socket still holds and those
 * the server has not read. Without a subscriber this is the only trace of a server that falls behind.
 */
export function longestSocketQueueBytes(serverPort: number): number {
  return longestQueue(readFileSync('/proc/net/tcp', 'utf8'), serverPort);
}

/** The same from the text of `/proc/net/tcp`. */
export function longestQueue(table: string, serverPort: number): number {
  const wanted = serverPort.toString(16).toUpperCase().padStart(4, '0');
  const queues = new Map<string, number>();
  let longest = 0;
  for (const match of table.matchAll(
    /^ *\d+: [0-9A-F]{8}:([0-9A-F]{4}) [0-9A-F]{8}:([0-9A-F]{4}) 01 ([0-9A-F]{8}):([0-9A-F]{8})/gm,
  )) {
    const [, localPort = '', remotePort = '', sendQueue = '', receiveQueue = ''] = match;
    const isServer = localPort === wanted;
    if (!isServer && remotePort !== wanted) continue;
    const client = isServer ? remotePort : localPort;
    const bytes = (queues.get(client) ?? 0) + parseInt(isServer ? receiveQueue : sendQueue, 16);
    queues.set(client, bytes);
    longest = Math.max(longest, bytes);
  }
  return longest;
}
