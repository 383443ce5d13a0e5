import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { sink } from '@millrace/contracts';
import { createLogger, ServiceError } from '@millrace/runtime';
import type { RenditionSink, SinkStream } from '@millrace/runtime';
import { TwinnedSink } from './twinned-sink.ts';

const HELLO: sink.Hello = { sessionId: 's1', leaseToken: 7, from: { k: 0, part: 0 } };
const INIT: sink.InitSegment = { renditionId: '720p', period: 0, data: Buffer.from('init') };
/** Longer than a packager that was lost is left alone. */
const RETURN_MS = 1000;

/** A packager that writes down what it is told, and refuses everything while there is a refusal. */
class ScriptedPackager implements RenditionSink {
  readonly heard: string[] = [];
  refusal: ServiceError | undefined;
  isOpen = false;

  async open(): Promise<SinkStream> {
    this.#hear('hello');
    this.isOpen = true;
    return {
      reply: { renditions: [], inits: [] },
      publishInit: async () => this.#hear('init'),
      publishPart: async ({ position }) => this.#hear(`part ${position?.k ?? ''}`),
      close: () => {
        this.isOpen = false;
      },
    };
  }

  #hear(what: string): void {
    this.heard.push(what);
    if (this.refusal !== undefined) throw this.refusal;
  }
}

const away = new ServiceError('UNAVAILABLE', 'PEER_UNAVAILABLE', 'away', { retryable: true });
const stale = new ServiceError('FAILED_PRECONDITION', 'PACKAGER_TOKEN_STALE', 'a newer worker');

let packagers: Map<string, ScriptedPackager>;
let placed: string[];
let lost: string[];
let ending: AbortController;

beforeEach(() => {
  jest.useFakeTimers();
  packagers = new Map(['a', 'b', 'c'].map((id) => [id, new ScriptedPackager()]));
  placed = ['a', 'b'];
  lost = [];
  ending = new AbortController();
});

afterEach(() => {
  ending.abort();
  jest.useRealTimers();
});

function packager(id: string): ScriptedPackager {
  const found = packagers.get(id);
  if (found === undefined) throw new Error(`no packager ${id}`);
  return found;
}

function open(): Promise<SinkStream> {
  const twinned = new TwinnedSink({
    placed: () => placed.map((id) => ({ id, sink: packager(id) })),
    logger: createLogger({ service: 'transcode-worker', level: 'error' }),
    onLost: (id) => lost.push(id),
  });
  return twinned.open(HELLO, ending.signal);
}

function part(k: number): sink.Part {
  return sink.Part.create({ renditionId: '720p', position: { k, part: 0 } });
}

describe('the packagers of a session', () => {
  test('all get everything', async () => {
    const stream = await open();
    await stream.publishInit(INIT);
    await stream.publishPart(part(1));
    for (const id of placed) expect(packager(id).heard).toEqual(['hello', 'init', 'part 1']);
  });

  test('go on without one that takes nothing; it is counted, and gets init segments first when it is back', async () => {
    const stream = await open();
    await stream.publishInit(INIT);
    packager('b').refusal = away;
    await stream.publishPart(part(1));
    expect(lost).toEqual(['b']);
    packager('b').refusal = undefined;
    packager('b').heard.length = 0;
    await jest.advanceTimersByTimeAsync(RETURN_MS);
    await stream.publishPart(part(2));
    expect(packager('b').heard).toEqual(['hello', 'init', 'part 2']);
    expect(packager('a').heard).toEqual(['hello', 'init', 'part 1', 'part 2']);
  });

  test('are as good as one where only one answers, and none where none does', async () => {
    packager('b').refusal = away;
    await expect(open()).resolves.toBeDefined();
    packager('a').refusal = away;
    await expect(open()).rejects.toBe(away);
  });

  test('that all take nothing fail the stream, which brings none of them back', async () => {
    const stream = await open();
    for (const id of placed) packager(id).refusal = away;
    await expect(stream.publishPart(part(1))).rejects.toBe(away);
    for (const id of placed) packager(id).refusal = undefined;
    await jest.advanceTimersByTimeAsync(RETURN_MS);
    for (const id of placed) expect(packager(id).heard).toEqual(['hello', 'part 1']);
  });

  test('of which one knows a newer worker fail the stream, whatever the other says', async () => {
    const stream = await open();
    packager('b').refusal = stale;
    await expect(stream.publishPart(part(1))).rejects.toBe(stale);
    expect(lost).toEqual([]);
  });

  test('are those that the record names: one that it names later joins, one that it names no longer is left', async () => {
    const stream = await open();
    placed = ['a', 'c'];
    await jest.advanceTimersByTimeAsync(RETURN_MS);
    await stream.publishPart(part(1));
    expect(packager('b')).toMatchObject({ heard: ['hello'], isOpen: false });
    expect(packager('c').heard).toEqual(['hello', 'part 1']);
  });

  test('are all let go when the stream is closed', async () => {
    const stream = await open();
    stream.close();
    await jest.advanceTimersByTimeAsync(RETURN_MS);
    for (const id of placed) expect(packager(id)).toMatchObject({ heard: ['hello'], isOpen: false });
  });
});
