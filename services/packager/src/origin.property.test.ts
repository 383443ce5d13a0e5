import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { duplexPair } from 'node:stream';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { FIRST_K, PackagerHarness } from './testing/packager-harness.ts';

/** Requests for each property; CI asks for 10^5, the long form for 10^7. */
const RUNS = Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 1000);
/** On a machine that does other things too. */
const TIMEOUT_MS = 120_000 + RUNS * 5;
/** Connections that are open at a time. */
const BATCH = 50;
/** `HTTP/1.1 200`. */
const ANSWER_CHARACTERS = 12;
const STATUSES = new Set([200, 204, 206, 304, 404, 405, 410, 414, 416, 425]);

let origin: PackagerHarness;

beforeAll(async () => {
  origin = await PackagerHarness.start({ config: { limits: { maxWaiters: 4 } } });
  await origin.publish(3);
});

afterAll(() => origin.stop());

const number = fc.oneof(
  fc.integer({ min: -3, max: 5 }).map((ahead) => String(FIRST_K + ahead)),
  fc.nat().map(String),
  fc.bigInt({ min: 0n, max: 10n ** 30n }).map(String),
);
const file = fc.oneof(
  fc.constantFrom('index.m3u8', 'ts.m3u8', 'init-0.mp4', 'init-1.mp4'),
  number.map((k) => `${k}.m4s`),
  number.map((k) => `${k}.ts`),
  fc.tuple(number, number).map(([k, part]) => `${k}.${part}.m4s`),
  fc.string(),
);
const target = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('720p', 'audio', '1080p', '..'),
      file,
      fc.constantFrom('', '?', '?_HLS_msn=1', '?a=%'),
    )
    .map(([rendition, name, query]) => ({ rest: `${rendition}/${name}${query}` })),
  fc.webPath().map((path) => ({ path })),
  fc.string({ unit: 'binary', maxLength: 40 }).map((path) => ({ path })),
  fc.constant({ path: `/media/${'x'.repeat(4000)}` }),
);
const offset = fc.oneof(
  fc.nat({ max: 9000 }).map(String),
  fc.constant(''),
  fc.bigInt({ min: 0n }).map(String),
);
const header = fc.record(
  {
    range: fc.oneof(
      fc.tuple(offset, offset).map(([first, last]) => `bytes=${first}-${last}`),
      fc.string(),
    ),
    'if-range': fc.oneof(fc.constant('"x"'), fc.string()),
    'if-none-match': fc.oneof(fc.constantFrom('*', '"x"', 'W/"x"', ',,,'), fc.string()),
    'accept-encoding': fc.oneof(fc.constantFrom('gzip', 'gzip;q=0', '*', ';;q=,'), fc.string()),
  },
  { requiredKeys: [] },
);
const method = fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'OPTIONS', 'POST', 'BREW');

/** Takes what the handler answers, as `ServerResponse` would. */
class RecordedResponse {
  status = 0;
  answers = 0;
  headersSent = false;
  shouldKeepAlive = true;
  isHeld = false;
  length = 0;
  contentLength: string | undefined;
  #onClose: (() => void) | undefined;

  writeHead(status: number, headers: readonly string[]): this {
    this.status = status;
    this.headersSent = true;
    const at = headers.indexOf('Content-Length');
    this.contentLength = at === -1 ? undefined : headers[at + 1];
    // What node:http refuses is refused here too.
    if (headers.some((value) => typeof value !== 'string' || /[\r\n]/.test(value)))
      throw new Error('bad header');
    return this;
  }

  end(body?: string | Buffer): void {
    this.answers += 1;
    this.length = body?.length ?? 0;
  }

  once(_event: 'close', listener: () => void): void {
    this.isHeld = true;
    this.#onClose = listener;
  }

  off(): void {
    this.#onClose = undefined;
  }

  disconnect(): void {
    this.#onClose?.();
  }

  destroy(): void {
    this.answers += 1;
  }
}

test(
  'whatever is asked gets one answer of the closed set, or is held until the client goes',
  async () => {
    fc.assert(
      fc.property(target, header, method, (drawn, headers, verb) => {
        const url = 'rest' in drawn ? origin.path(drawn.rest) : drawn.path;
        const response = new RecordedResponse();
        const request = { method: verb, url, headers } as unknown as IncomingMessage;
        origin.packager.handler(request, response as unknown as ServerResponse);
        if (response.isHeld) {
          expect(response.answers).toBe(0);
          response.disconnect();
          return;
        }
        expect(response.answers).toBe(1);
        expect(STATUSES.has(response.status)).toBe(true);
        const hasBody = verb === 'GET' && response.status !== 304;
        if (hasBody) expect(response.contentLength).toBe(String(response.length));
      }),
      { seed: 1, numRuns: RUNS },
    );
    expect(await origin.metric('millrace_packager_handler_failures_total')).toBe(0);
    expect(await origin.metric('millrace_packager_waiters')).toBe(0);
  },
  TIMEOUT_MS,
);

/**
 * Sends bytes to a server over a connection in memory, which no system runs out of; resolves with the first bytes of the answer
 * once the server has closed it.
 */
function send(server: Server, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const [client, connection] = duplexPair();
    let answer = '';
    client.on('data', (chunk: Buffer) => {
      if (answer === '') answer = chunk.toString('latin1', 0, ANSWER_CHARACTERS);
    });
    // A server that answers with an error closes both ways at once, which a pair shows as an error of the other end.
    client.on('error', () => resolve(answer));
    client.on('close', () => resolve(answer));
    connection.on('close', () => client.destroy());
    server.emit('connection', connection);
    client.end(bytes);
  });
}

test(
  'mutated requests over a connection end at most that connection',
  async () => {
    const template = (rest: string): string =>
      `GET ${origin.path(rest)} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\nAccept-Encoding: gzip\r\n\r\n`;
    const seeds = [
      template('720p/index.m3u8'),
      template('720p/init-0.mp4').replace('GET', 'HEAD'),
      template(`720p/${FIRST_K}.m4s`) + template(`720p/${FIRST_K + 1}.ts`),
      `POST ${origin.path('720p/index.m3u8')} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/0.9\r\n\r\n',
    ];
    // Most of what is no text is refused before it comes to the handler.
    const byte = fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xff }) },
    );
    const mutation = fc.record({
      seed: fc.constantFrom(...seeds),
      edits: fc.array(fc.tuple(fc.nat(), byte), { maxLength: 4 }),
      cut: fc.option(fc.nat(), { freq: 2 }),
    });
    const other = await origin.get('720p/index.m3u8');
    const server = createServer(origin.packager.handler);
    const answers = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: BATCH, maxLength: BATCH }), async (mutations) => {
        const sent = mutations.map(({ seed, edits, cut }) => {
          const bytes = Buffer.from(seed, 'latin1');
          for (const [at, value] of edits) bytes[at % bytes.length] = value;
          return send(server, cut === null ? bytes : bytes.subarray(0, cut % (bytes.length + 1)));
        });
        for (const answer of await Promise.all(sent)) answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }),
      { seed: 1, numRuns: Math.ceil(RUNS / BATCH) },
    );
    const count = [...answers.values()].reduce((sum, one) => sum + one, 0);
    expect(count).toBeGreaterThanOrEqual(RUNS);
    // Node refuses by itself what is no HTTP, and closes what was cut off: enough has to be left that came to the handler.
    const unhandled = (answers.get('HTTP/1.1 400') ?? 0) + (answers.get('') ?? 0);
    expect(count - unhandled).toBeGreaterThan(RUNS / 5);
    // 503: a segment that is due was asked for while as many wait as may.
    const known = new Set([
      '',
      ...[...STATUSES, 400, 408, 417, 431, 503].map((status) => `HTTP/1.1 ${status}`),
    ]);
    expect([...answers.keys()].filter((answer) => !known.has(answer))).toEqual([]);
    const still = await origin.get('720p/index.m3u8');
    expect([still.status, still.headers.etag]).toEqual([200, other.headers.etag]);
    expect(await origin.metric('millrace_packager_handler_failures_total')).toBe(0);
    await origin.until(async () => (await origin.metric('millrace_packager_waiters')) === 0);
  },
  TIMEOUT_MS,
);
