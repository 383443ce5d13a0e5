/**
 * Load generator of the benches: a process of its own that keeps many RTMP publications of one looped feed going, each with
 * one socket write per 100 ms. Started by `lib/publication-generator.ts`, which talks to it over Node's IPC; not by hand.
 * Arguments: host, port, stream key prefix, FLV file, loop length in ms. Exit codes: 0 parent gone or asked to stop.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { RtmpClientSession } from '@millrace/rtmp';
import { FEED_CHUNK_SIZE, readLoopedFeed, SLICE_MS } from './lib/looped-feed.ts';
import type { LoopedFeed } from './lib/looped-feed.ts';
import { streamKeyOf } from './lib/publication-generator.ts';
import type { GeneratorCommand, GeneratorStatus } from './lib/publication-generator.ts';

/** Publications are spread over this many turns of the clock within a slice. */
const GROUPS = 10;
const CONNECTING_AT_ONCE = 32;
/** A socket with this much in user space is so late that more would only fill memory. */
const MAX_WAITING_BYTES = 2 * 1024 * 1024;

interface Publication {
  readonly socket: Socket;
  /** Next slice of the loop. */
  next: number;
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly keyPrefix: string;
}

class Publications {
  readonly #target: Target;
  readonly #feed: LoopedFeed;
  readonly #groups: { dueMs: number; readonly members: Set<Publication> }[];
  #wanted = 0;
  #started = 0;
  #connecting = 0;
  #publishing = 0;
  #lost = 0;
  #lagMs = 0;
  #sentBytes = 0;

  constructor(target: Target, feed: LoopedFeed) {
    this.#target = target;
    this.#feed = feed;
    const now = performance.now();
    this.#groups = Array.from({ length: GROUPS }, (_, group) => ({
      dueMs: now + (group * SLICE_MS) / GROUPS,
      members: new Set(),
    }));
    setInterval(() => this.#tick(), SLICE_MS / GROUPS);
  }

  growTo(count: number): void {
    this.#wanted = count;
    this.#connectMore();
  }

  /** Counts since the last call, and what waits now. */
  takeStatus(): GeneratorStatus {
    let waitingBytes = 0;
    for (const { members } of this.#groups)
      for (const { socket } of members) waitingBytes = Math.max(waitingBytes, socket.writableLength);
    const { user, system } = process.cpuUsage();
    const status = {
      publishing: this.#publishing,
      lost: this.#lost,
      waitingBytes,
      lagMs: this.#lagMs,
      sentBytes: this.#sentBytes,
      cpuSeconds: (user + system) / 1e6,
    };
    this.#lagMs = 0;
    return status;
  }

  #connectMore(): void {
    while (this.#started < this.#wanted && this.#connecting < CONNECTING_AT_ONCE) {
      this.#connect(this.#started);
      this.#started += 1;
      this.#connecting += 1;
    }
  }

  #connect(index: number): void {
    const { host, port, keyPrefix } = this.#target;
    const client = new RtmpClientSession({
      app: 'live',
      streamKey: streamKeyOf(keyPrefix, index),
      tcUrl: `rtmp://${host}:${port}/live`,
      chunkSize: FEED_CHUNK_SIZE,
    });
    const socket = connect({ host, port, noDelay: true });
    const group = this.#groups[index % GROUPS];
    if (group === undefined) throw new Error('no group');
    const publication: Publication = { socket, next: 0 };
    let isPublishing = false;
    const flush = (): void => {
      const bytes = client.takeOutput();
      if (bytes !== undefined) socket.write(bytes);
    };
    socket.once('connect', flush);
    socket.on('data', (bytes) => {
      for (const event of client.push(bytes)) {
        if (event.kind === 'publishing' && !isPublishing) {
          isPublishing = true;
          for (const { type, payload } of this.#feed.headers) client.write(type, 0, payload);
          group.members.add(publication);
          this.#publishing += 1;
          this.#connecting -= 1;
          this.#connectMore();
        } else if (event.kind === 'rejected' || event.kind === 'error') {
          process.stderr.write(`publication ${index}: ${JSON.stringify(event)}\n`);
          socket.destroy();
        }
      }
      flush();
    });
    socket.once('error', () => socket.destroy());
    socket.once('close', () => {
      this.#lost += 1;
      if (isPublishing) this.#publishing -= 1;
      else this.#connecting -= 1;
      group.members.delete(publication);
    });
  }

  #tick(): void {
    const now = performance.now();
    for (const group of this.#groups) {
      while (group.dueMs <= now) {
        this.#lagMs = Math.max(this.#lagMs, now - group.dueMs);
        group.dueMs += SLICE_MS;
        for (const publication of group.members) this.#send(publication);
      }
    }
  }

  #send(publication: Publication): void {
    const { slices } = this.#feed;
    const slice = slices[publication.next];
    if (slice === undefined) throw new Error('no slice');
    if (publication.socket.writableLength > MAX_WAITING_BYTES) return;
    publication.next = (publication.next + 1) % slices.length;
    this.#sentBytes += slice.length;
    publication.socket.write(slice);
  }
}

const [host = '', port = '', keyPrefix = '', path = '', loopMs = ''] = process.argv.slice(2);
const publications = new Publications(
  { host, port: Number(port), keyPrefix },
  readLoopedFeed(path, Number(loopMs)),
);
process.on('message', (command: GeneratorCommand) => {
  if (command.kind === 'grow') publications.growTo(command.to);
  else process.send?.(publications.takeStatus());
});
process.once('disconnect', () => process.exit(0));
