import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { duplexPair } from 'node:stream';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { ADMIN_TOKEN, createFixture } from '../testing/fixture.ts';
import type { Fixture } from '../testing/fixture.ts';

/** Requests for each property; CI asks for 10^5, the long form for 10^7. */
const RUNS = Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 1000);
/** On a machine that does other things too. */
const TIMEOUT_MS = 120_000 + RUNS * 5;
/** Requests on one connection, or connections that are open at a time. */
const BATCH = 50;
/** Bodies do not end their last line. */
const STATUS_LINE = /HTTP\/1\.1 (\d{3}) [A-Z]/g;

let fixture: Fixture;
let server: Server;

beforeAll(async () => {
  fixture = await createFixture();
  server = createServer(fixture.api.handler);
  // A client that has said all may still wait for its answers.
  (server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
  for (const name of ['news', 'sport'])
    expect(await exchange(request('POST', '/v1/channels', JSON.stringify({ name })))).toEqual([201]);
});

afterAll(() => fixture.stop());

/**
 * Sends bytes over a connection in memory, which no system runs out of; resolves with the statuses of the answers, after
 * `count` of them, or once the server has closed the connection.
 */
function exchange(bytes: Buffer | string, count = Infinity): Promise<number[]> {
  return new Promise((resolve) => {
    const [client, connection] = duplexPair();
    let text = '';
    const statuses = (): number[] => [...text.matchAll(STATUS_LINE)].map(([, status]) => Number(status));
    const finish = (): void => {
      client.destroy();
      connection.destroy();
      resolve(statuses());
    };
    client.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (statuses().length >= count) finish();
    });
    // A server that answers with an error closes both ways at once, which a pair shows as an error of the other end.
    client.on('error', finish);
    client.on('close', finish);
    connection.on('close', () => client.destroy());
    server.emit('connection', connection);
    if (count === Infinity) client.end(bytes);
    else client.write(bytes);
  });
}

function request(method: string, path: string, body: string, headers = ''): string {
  return [
    `${method} ${path} HTTP/1.1`,
    'Host: x',
    `Authorization: Bearer ${ADMIN_TOKEN}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `${headers}\r\n${body}`,
  ].join('\r\n');
}

const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -0, 1e308, 2 ** 53, 0.2, 2, 10));
const rational = fc.oneof(
  number,
  fc.tuple(fc.integer(), fc.integer()).map(([a, b]) => `${a}/${b}`),
  fc.constantFrom('1001/500', '1/0', '/', '1e9', '0x2', ' 2', 'NaN'),
);
const rung = fc.oneof(
  fc.constantFrom('source', 'audio'),
  fc.record(
    {
      name: fc.constantFrom('720p', '360p', 'source', 'A', '', '__proto__'),
      width: fc.oneof(fc.constantFrom(640, 641), number),
      height: fc.oneof(fc.constantFrom(360, 0), number),
      bitrateBps: fc.oneof(fc.constant(700_000), number),
      maxFrameRate: rational,
      extra: fc.jsonValue(),
    },
    { requiredKeys: ['name', 'width', 'height', 'bitrateBps'] },
  ),
);
const rungs = fc.oneof(fc.array(rung, { maxLength: 10 }), fc.jsonValue());
const SETTINGS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  title: fc.oneof(fc.string({ maxLength: 120 }), fc.jsonValue()),
  isEnabled: fc.oneof(fc.boolean(), fc.jsonValue()),
  ladder: fc.oneof(fc.constantFrom('default', 'mine', 'none'), rungs),
  segmentDuration: fc.oneof(fc.constant('source'), rational),
  partDuration: rational,
  preset: fc.oneof(fc.constantFrom('low-latency', 'quality'), fc.string()),
  takeover: fc.constantFrom('takeover', 'reject', 'fight'),
  graceSeconds: number,
  windowSegments: number,
  unknown: fc.jsonValue(),
};
/** Few at a time, so that some are right together. */
const settings = fc
  .uniqueArray(fc.constantFrom(...Object.keys(SETTINGS)), { maxLength: 3 })
  .chain((keys) => fc.record(Object.fromEntries(keys.map((key) => [key, SETTINGS[key] ?? number]))));

/** A request with a body that has the form of the right one, or any other. */
const operation = fc.oneof(
  fc.tuple(
    fc.constant('POST /v1/channels'),
    fc.record({ name: fc.oneof(fc.constantFrom('news', 'sport'), fc.string()), settings }),
  ),
  fc.tuple(fc.constantFrom('PUT /v1/channels/news', 'PUT /v1/channels/none'), fc.record({ settings })),
  fc.tuple(fc.constantFrom('PUT /v1/ladders/mine', 'PUT /v1/ladders/default'), fc.record({ rungs })),
  fc.tuple(
    fc.constantFrom('POST /v1/channels/none/stream-keys', 'POST /v1/channels/news/stream-keys/none/rotate'),
    fc.record(
      {
        role: fc.oneof(fc.constant('backup'), fc.jsonValue()),
        label: fc.jsonValue(),
        overlapSeconds: number,
      },
      { requiredKeys: [] },
    ),
  ),
);
const document = fc.oneof(
  { weight: 4, arbitrary: operation.map(([line, value]) => [line, JSON.stringify(value)] as const) },
  { weight: 1, arbitrary: operation.chain(([line]) => fc.json().map((body) => [line, body] as const)) },
  {
    weight: 1,
    arbitrary: fc.tuple(operation, fc.nat(), fc.string({ maxLength: 3 })).map(([[line, value], at, put]) => {
      const text = JSON.stringify(value);
      const from = at % text.length;
      return [line, text.slice(0, from) + put + text.slice(from + 1)] as const;
    }),
  },
);

test(
  'whatever document is sent to an operation, it is taken or refused by name, never a failure here',
  async () => {
    const answers = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(fc.array(document, { minLength: BATCH, maxLength: BATCH }), async (documents) => {
        const bytes = documents.map(([line, body]) => {
          const [method = '', path = ''] = line.split(' ');
          return request(method, path, body);
        });
        // One connection for all: what a request leaves unread would spoil the next.
        const statuses = await exchange(bytes.join(''), documents.length);
        expect(statuses).toHaveLength(documents.length);
        for (const status of statuses) answers.set(status, (answers.get(status) ?? 0) + 1);
      }),
      { seed: 1, numRuns: Math.ceil(RUNS / BATCH) },
    );
    expect(new Set(answers.keys())).toEqual(new Set([200, 201, 400, 404, 409]));
    // Enough of both, or the inputs test nothing.
    expect(answers.get(200)).toBeGreaterThan(RUNS / 100);
    expect(answers.get(400)).toBeGreaterThan(RUNS / 4);
    expect(failures()).toEqual([]);
  },
  TIMEOUT_MS,
);

test(
  'mutated requests over a connection end at most that connection',
  async () => {
    const seeds = [
      request('POST', '/v1/channels', '{"name":"news","settings":{"ladder":["source"]}}'),
      request('PUT', '/v1/ladders/mine', '{"rungs":["source"]}', 'Expect: 100-continue\r\n'),
      request('GET', '/v1/channels?limit=10&cursor=news', ''),
      request('GET', '/v1/sessions/01K0000000000000000000000A', '') + request('OPTIONS', '/v1/live', ''),
      request('DELETE', '/v1/channels/none', '').replace('Content-Length: 0', 'Transfer-Encoding: chunked') +
        '0\r\n\r\n',
      'GET /play/news/index.m3u8?a=%41 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip;q=0.5\r\nIf-None-Match: "x"\r\n\r\n',
      'HEAD /page/style.css HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\n\r\nGET /time HTTP/1.0\r\n\r\n',
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
    const answers = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: BATCH, maxLength: BATCH }), async (mutations) => {
        // A minute between batches, so that edited tokens do not have the rest refused unheard.
        fixture.clock.advance(60_000);
        const sent = mutations.map(({ seed, edits, cut }) => {
          const bytes = Buffer.from(seed, 'latin1');
          for (const [at, value] of edits) bytes[at % bytes.length] = value;
          return exchange(cut === null ? bytes : bytes.subarray(0, cut % (bytes.length + 1)));
        });
        for (const status of (await Promise.all(sent)).flat())
          answers.set(status, (answers.get(status) ?? 0) + 1);
      }),
      { seed: 1, numRuns: Math.ceil(RUNS / BATCH) },
    );
    const known = [100, 200, 201, 204, 304, 400, 401, 404, 405, 408, 409, 413, 415, 417, 429, 431];
    expect([...answers.keys()].filter((status) => !known.includes(status))).toEqual([]);
    expect(answers.get(200)).toBeGreaterThan(RUNS / 100);
    expect(failures()).toEqual([]);
    expect(await exchange(request('GET', '/v1/live', ''))).toEqual([200]);
  },
  TIMEOUT_MS,
);

/** What was logged as a fault of this service. */
function failures(): readonly string[] {
  return fixture.log.filter((line) => line.includes('"level":"error"'));
}
