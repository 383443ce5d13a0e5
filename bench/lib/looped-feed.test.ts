import { describe, expect, test } from '@jest/globals';
import { RtmpClientSession, RtmpServerSession } from '@millrace/rtmp';
import type { FlvTag } from '@millrace/media';
import { FEED_CHUNK_SIZE, loopFeed } from './looped-feed.ts';
import type { LoopedFeed } from './looped-feed.ts';

const LOOP_MS = 400;

/** 30 pictures a second with an IDR in front, and AAC frames of 48 kHz, as FFmpeg rounds them to ms. */
function syntheticTags(): FlvTag[] {
  const body = (first: number, packetType: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(length).fill(length & 0xff);
    bytes[0] = first;
    bytes[1] = packetType;
    return bytes;
  };
  const tags: FlvTag[] = [
    { type: 'script', timestampMs: 0, body: new Uint8Array(20) },
    { type: 'video', timestampMs: 0, body: body(0x17, 0, 40) },
    { type: 'audio', timestampMs: 0, body: body(0xaf, 0, 7) },
  ];
  for (let frame = 0; frame < 15; frame += 1) {
    const isIdr = frame === 0;
    tags.push({
      type: 'video',
      timestampMs: Math.round((frame * 1000) / 30),
      body: body(isIdr ? 0x17 : 0x27, 1, isIdr ? 10_000 : 3000 + (frame % 2)),
    });
  }
  for (let frame = 0; frame < 20; frame += 1)
    tags.push({
      type: 'audio',
      timestampMs: Math.round((frame * 64) / 3),
      body: body(0xaf, 1, 100 + (frame % 5)),
    });
  tags.push({ type: 'video', timestampMs: 399, body: body(0x17, 2, 5) });
  return tags;
}

/** What a server reads from the headers and `turns` turns of the loop, as `type@time:length`. */
function publish(feed: LoopedFeed, turns: number): string[] {
  const client = new RtmpClientSession({ app: 'live', streamKey: 'k', chunkSize: FEED_CHUNK_SIZE });
  const server = new RtmpServerSession(0);
  const heard: string[] = [];
  const push = (bytes: Uint8Array): void => {
    for (const event of server.push(bytes, 0)) {
      if (event.kind === 'publish-request') server.acceptPublish(0);
      if (event.kind === 'message') heard.push(`${event.type}@${event.timestampMs}:${event.payload.length}`);
      if (event.kind === 'error') throw event.error;
    }
  };
  for (let up = client.takeOutput(); up !== undefined; up = client.takeOutput()) {
    push(up);
    const down = server.takeOutput();
    if (down !== undefined) client.push(down);
  }
  for (const header of feed.headers) if (header.type !== 'data') client.write(header.type, 0, header.payload);
  push(client.takeOutput() ?? new Uint8Array());
  for (let turn = 0; turn < turns; turn += 1) for (const slice of feed.slices) push(slice);
  return heard;
}

describe('looped feed', () => {
  test('timestamps go on across turns, at the pace of the media', () => {
    const heard = publish(loopFeed(syntheticTags(), LOOP_MS), 5);
    const times = (type: string): number[] =>
      heard.filter((line) => line.startsWith(type)).map((line) => Number(/@(\d+)/.exec(line)?.[1]));
    for (const [type, shortest, longest] of [
      ['video', 33, 34],
      ['audio', 16, 22],
    ] as const) {
      const [, ...frames] = times(type);
      const steps = frames.slice(1).map((time, index) => time - (frames[index] ?? 0));
      expect(Math.min(...steps)).toBeGreaterThanOrEqual(shortest);
      expect(Math.max(...steps)).toBeLessThanOrEqual(longest);
    }
    expect(times('video')).toHaveLength(1 + 5 * 12);
    expect(times('video').at(-1)).toBe(5 * LOOP_MS);
  });

  test('every turn holds the same messages, the loop ms later', () => {
    const heard = publish(loopFeed(syntheticTags(), LOOP_MS), 3).slice(2);
    const turn = heard.length / 3;
    const later = (line: string): string =>
      line.replace(/@(\d+)/, (_, time: string) => `@${Number(time) + LOOP_MS}`);
    expect(heard.slice(turn, 2 * turn)).toEqual(heard.slice(0, turn).map(later));
    expect(heard.slice(2 * turn)).toEqual(heard.slice(turn, 2 * turn).map(later));
  });

  test('a slice is the media of its 100 ms: the IDR and two more pictures, then three', () => {
    const { slices, loopBytes } = loopFeed(syntheticTags(), LOOP_MS);
    const pictures = slices.map((slice) => Math.floor(slice.length / 3000));
    expect(pictures).toEqual([5, 3, 3, 3]);
    expect(loopBytes).toBe(slices.reduce((sum, slice) => sum + slice.length, 0));
  });

  test('metadata goes first, since audio shares its chunk stream', () => {
    expect(loopFeed(syntheticTags(), LOOP_MS).headers.map(({ type }) => type)).toEqual([
      'data',
      'video',
      'audio',
    ]);
  });

  test('a loop that would start with a length left out is refused', () => {
    const tags = syntheticTags().map((tag) =>
      tag.type === 'audio' && tag.body[1] === 1 ? { ...tag, body: tag.body.subarray(0, 100) } : tag,
    );
    expect(() => loopFeed(tags, LOOP_MS)).toThrow('chunk stream 4 does not loop: fmt 2');
  });

  test('a loop that is not whole slices is refused', () => {
    expect(() => loopFeed(syntheticTags(), 450)).toThrow('not whole slices');
  });
});
