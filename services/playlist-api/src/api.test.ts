import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { InstanceRegistration } from '@millrace/runtime';
import { publicPaths, readOpenApiDocument } from './http/openapi-document.ts';
import { ADMIN_TOKEN, createFixture } from './testing/fixture.ts';
import type { Fixture } from './testing/fixture.ts';
import { FIRST_K, rowsOf } from './testing/session-data.ts';

/** A request, and what it must be answered with. */
interface Case {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly status: number;
  /** Part of the answer. */
  readonly answer?: unknown;
}

/** Valid and invalid requests of an operation; `isPublic` when it needs no token. */
interface OperationCases {
  readonly isPublic?: true;
  readonly valid: readonly Case[];
  readonly invalid: readonly Case[];
}

const RUNGS = [
  { name: '360p', width: 640, height: 360, bitrateBps: 700_000, maxFrameRate: '30000/1001' },
  'source',
];
const unknownChannel = { status: 404, answer: { id: 'PLAYLIST_API_CHANNEL_UNKNOWN' } };
const invalid = { status: 400, answer: { id: 'PLAYLIST_API_REQUEST_INVALID' } };

/** Every operation of the document; `{key}` and `{session}` stand for ids that exist. */
const OPERATIONS: Readonly<Record<string, OperationCases>> = {
  listLive: {
    isPublic: true,
    valid: [
      {
        method: 'GET',
        path: '/live',
        status: 200,
        answer: {
          rtmp: { port: 1935, app: 'live' },
          channels: [{ name: 'news', title: 'The news', isPlayable: true }],
        },
      },
    ],
    invalid: [],
  },
  getOpenApi: {
    isPublic: true,
    valid: [{ method: 'GET', path: '/openapi.json', status: 200, answer: { openapi: '3.1.0' } }],
    invalid: [],
  },
  listChannels: {
    valid: [
      {
        method: 'GET',
        path: '/channels',
        status: 200,
        answer: { items: [{ name: 'news', session: { state: 'live' } }] },
      },
      { method: 'GET', path: '/channels?limit=1', status: 200, answer: { items: [{ name: 'news' }] } },
    ],
    invalid: [
      { method: 'GET', path: '/channels?limit=0', ...invalid },
      { method: 'GET', path: '/channels?limit=201', ...invalid },
      { method: 'GET', path: '/channels?limit=one', ...invalid },
      { method: 'GET', path: '/channels?cursor=%00', ...invalid },
      {
        method: 'GET',
        path: '/channels?cursor=abcde',
        status: 400,
        answer: { id: 'PLAYLIST_API_CURSOR_INVALID' },
      },
      { method: 'GET', path: '/channels?page=2', ...invalid },
    ],
  },
  createChannel: {
    valid: [
      {
        method: 'POST',
        path: '/channels',
        body: { name: 'sports' },
        status: 201,
        answer: {
          name: 'sports',
          origin: 'api',
          settings: {
            ladder: 'default',
            segmentDuration: 2,
            partDuration: 1,
            graceSeconds: 30,
            windowSegments: 6,
          },
          playback: { hls: '/play/sports/index.m3u8' },
        },
      },
      {
        method: 'POST',
        path: '/channels',
        body: {
          name: 'a',
          settings: { ladder: RUNGS, segmentDuration: '1001/500', partDuration: 0.5, preset: 'quality' },
        },
        status: 201,
        answer: { settings: { ladder: RUNGS, segmentDuration: '1001/500', preset: 'quality' } },
      },
    ],
    invalid: [
      { method: 'POST', path: '/channels', body: {}, ...invalid },
      { method: 'POST', path: '/channels', body: [], ...invalid },
      { method: 'POST', path: '/channels', body: { name: 'No' }, ...invalid },
      { method: 'POST', path: '/channels', body: { name: 'a'.repeat(64) }, ...invalid },
      { method: 'POST', path: '/channels', body: { name: '-a' }, ...invalid },
      { method: 'POST', path: '/channels', body: { name: 'b', colour: 'red' }, ...invalid },
      {
        method: 'POST',
        path: '/channels',
        body: { name: 'b', settings: { segmentDuration: 0.5 } },
        ...invalid,
      },
      {
        method: 'POST',
        path: '/channels',
        body: { name: 'b', settings: { segmentDuration: 11 } },
        ...invalid,
      },
      {
        method: 'POST',
        path: '/channels',
        body: { name: 'b', settings: { segmentDuration: 2, partDuration: 3 } },
        ...invalid,
      },
      { method: 'POST', path: '/channels', body: { name: 'b', settings: { partDuration: 0.1 } }, ...invalid },
      { method: 'POST', path: '/channels', body: { name: 'b', settings: { windowSegments: 5 } }, ...invalid },
      { method: 'POST', path: '/channels', body: { name: 'b', settings: { ladder: [] } }, ...invalid },
      {
        method: 'POST',
        path: '/channels',
        body: { name: 'b', settings: { ladder: ['source', 'source'] } },
        ...invalid,
      },
      {
        method: 'POST',
        path: '/channels',
        body: {
          name: 'b',
          settings: { ladder: [{ name: '360p', width: 641, height: 360, bitrateBps: 700_000 }] },
        },
        ...invalid,
      },
      {
        method: 'POST',
        path: '/channels',
        body: {
          name: 'b',
          settings: { ladder: [{ name: 'audio', width: 640, height: 360, bitrateBps: 700_000 }] },
        },
        ...invalid,
      },
      {
        method: 'POST',
        path: '/channels',
        body: { name: 'b', settings: { ladder: 'nowhere' } },
        status: 400,
        answer: { id: 'PLAYLIST_API_LADDER_UNKNOWN' },
      },
      {
        method: 'POST',
        path: '/channels',
        body: { name: 'news' },
        status: 409,
        answer: { id: 'PLAYLIST_API_CHANNEL_EXISTS' },
      },
    ],
  },
  getChannel: {
    valid: [
      {
        method: 'GET',
        path: '/channels/news',
        status: 200,
        answer: { name: 'news', settings: { title: 'The news' } },
      },
    ],
    invalid: [
      { method: 'GET', path: '/channels/weather', ...unknownChannel },
      { method: 'GET', path: '/channels/No', ...invalid },
      { method: 'GET', path: '/channels/%00', ...invalid },
    ],
  },
  replaceChannel: {
    valid: [
      {
        method: 'PUT',
        path: '/channels/news',
        body: { settings: { isEnabled: false } },
        status: 200,
        answer: { settings: { isEnabled: false, title: '' } },
      },
    ],
    invalid: [
      { method: 'PUT', path: '/channels/news', body: {}, ...invalid },
      { method: 'PUT', path: '/channels/news', body: { settings: { isEnabled: 'no' } }, ...invalid },
      { method: 'PUT', path: '/channels/weather', body: { settings: {} }, ...unknownChannel },
    ],
  },
  deleteChannel: {
    valid: [{ method: 'DELETE', path: '/channels/news', status: 204 }],
    invalid: [
      { method: 'DELETE', path: '/channels/weather', ...unknownChannel },
      { method: 'DELETE', path: '/channels/News', ...invalid },
    ],
  },
  listStreamKeys: {
    valid: [
      {
        method: 'GET',
        path: '/channels/news/stream-keys',
        status: 200,
        answer: { items: [{ label: 'studio', role: 'primary' }] },
      },
      { method: 'GET', path: '/channels/news/stream-keys?limit=1', status: 200 },
    ],
    invalid: [
      { method: 'GET', path: '/channels/weather/stream-keys', ...unknownChannel },
      { method: 'GET', path: '/channels/news/stream-keys?limit=-1', ...invalid },
    ],
  },
  createStreamKey: {
    valid: [
      {
        method: 'POST',
        path: '/channels/news/stream-keys',
        body: { role: 'backup', label: 'van' },
        status: 201,
        answer: { channel: 'news', role: 'backup', label: 'van' },
      },
      {
        method: 'POST',
        path: '/channels/news/stream-keys',
        body: {},
        status: 201,
        answer: { role: 'primary', label: '' },
      },
    ],
    invalid: [
      { method: 'POST', path: '/channels/weather/stream-keys', body: {}, ...unknownChannel },
      { method: 'POST', path: '/channels/news/stream-keys', body: { role: 'king' }, ...invalid },
      { method: 'POST', path: '/channels/news/stream-keys', body: { streamKey: 'mine' }, ...invalid },
    ],
  },
  getStreamKey: {
    valid: [
      { method: 'GET', path: '/channels/news/stream-keys/{key}', status: 200, answer: { label: 'studio' } },
    ],
    invalid: [
      {
        method: 'GET',
        path: '/channels/news/stream-keys/nope',
        status: 404,
        answer: { id: 'PLAYLIST_API_STREAM_KEY_UNKNOWN' },
      },
      { method: 'GET', path: '/channels/news/stream-keys/a.b', ...invalid },
      { method: 'GET', path: '/channels/weather/stream-keys/{key}', ...unknownChannel },
    ],
  },
  revokeStreamKey: {
    valid: [{ method: 'DELETE', path: '/channels/news/stream-keys/{key}', status: 204 }],
    invalid: [
      {
        method: 'DELETE',
        path: '/channels/news/stream-keys/nope',
        status: 404,
        answer: { id: 'PLAYLIST_API_STREAM_KEY_UNKNOWN' },
      },
      { method: 'DELETE', path: '/channels/NEWS/stream-keys/{key}', ...invalid },
    ],
  },
  rotateStreamKey: {
    valid: [
      {
        method: 'POST',
        path: '/channels/news/stream-keys/{key}/rotate',
        body: {},
        status: 201,
        answer: { label: 'studio' },
      },
      {
        method: 'POST',
        path: '/channels/news/stream-keys/{key}/rotate',
        body: { overlapSeconds: 60 },
        status: 201,
      },
    ],
    invalid: [
      {
        method: 'POST',
        path: '/channels/news/stream-keys/{key}/rotate',
        body: { overlapSeconds: -1 },
        ...invalid,
      },
      {
        method: 'POST',
        path: '/channels/news/stream-keys/{key}/rotate',
        body: { overlapSeconds: 1.5 },
        ...invalid,
      },
      {
        method: 'POST',
        path: '/channels/news/stream-keys/nope/rotate',
        body: {},
        status: 404,
        answer: { id: 'PLAYLIST_API_STREAM_KEY_UNKNOWN' },
      },
    ],
  },
  listLadders: {
    valid: [
      {
        method: 'GET',
        path: '/ladders',
        status: 200,
        answer: { items: [{ name: 'default' }, { name: 'small' }] },
      },
    ],
    invalid: [{ method: 'GET', path: '/ladders?limit=1000', ...invalid }],
  },
  getLadder: {
    valid: [
      {
        method: 'GET',
        path: '/ladders/default',
        status: 200,
        answer: { rungs: [{ name: '720p', width: 1280 }, { name: '480p' }, { name: '360p' }] },
      },
    ],
    invalid: [
      { method: 'GET', path: '/ladders/none', status: 404, answer: { id: 'PLAYLIST_API_LADDER_UNKNOWN' } },
    ],
  },
  putLadder: {
    valid: [
      {
        method: 'PUT',
        path: '/ladders/big',
        body: { rungs: RUNGS },
        status: 200,
        answer: { name: 'big', rungs: RUNGS },
      },
      { method: 'PUT', path: '/ladders/small', body: { rungs: RUNGS }, status: 200 },
    ],
    invalid: [
      { method: 'PUT', path: '/ladders/big', body: { rungs: [] }, ...invalid },
      { method: 'PUT', path: '/ladders/big', body: { rungs: Array(9).fill('source') }, ...invalid },
      { method: 'PUT', path: '/ladders/big', body: { rungs: ['source', 'source'] }, ...invalid },
      { method: 'PUT', path: '/ladders/BIG', body: { rungs: RUNGS }, ...invalid },
    ],
  },
  deleteLadder: {
    valid: [{ method: 'DELETE', path: '/ladders/small', status: 204 }],
    invalid: [
      {
        method: 'DELETE',
        path: '/ladders/default',
        status: 409,
        answer: { id: 'PLAYLIST_API_LADDER_IN_USE' },
      },
      { method: 'DELETE', path: '/ladders/none', status: 404, answer: { id: 'PLAYLIST_API_LADDER_UNKNOWN' } },
    ],
  },
  listSessions: {
    valid: [
      {
        method: 'GET',
        path: '/sessions?channel=news&state=live',
        status: 200,
        answer: { items: [{ channel: 'news', state: 'live', isPlayable: true }] },
      },
      { method: 'GET', path: '/sessions?state=ended', status: 200, answer: { items: [] } },
    ],
    invalid: [
      { method: 'GET', path: '/sessions?state=asleep', ...invalid },
      { method: 'GET', path: '/sessions?channel=News', ...invalid },
    ],
  },
  getSession: {
    valid: [
      {
        method: 'GET',
        path: '/sessions/{session}',
        status: 200,
        answer: {
          channel: 'news',
          segmentDuration: 2,
          periods: [{ ordinal: 0, firstSegment: FIRST_K }],
          renditions: [
            { id: '720p', lastSegment: FIRST_K, ageSeconds: 1 },
            { id: '360p' },
            { id: 'audio', sampleRate: 48_000 },
          ],
        },
      },
    ],
    invalid: [
      {
        method: 'GET',
        path: '/sessions/01K0000000000000000000000B',
        status: 404,
        answer: { id: 'PLAYLIST_API_SESSION_UNKNOWN' },
      },
      { method: 'GET', path: '/sessions/short', ...invalid },
    ],
  },
  moveSession: {
    valid: [
      {
        method: 'POST',
        path: '/sessions/{session}/move',
        status: 202,
        answer: { channel: 'news', ingest: 'ingest-1', encoder: 'encoder-1' },
      },
    ],
    invalid: [
      {
        method: 'POST',
        path: '/sessions/01K0000000000000000000000B/move',
        status: 404,
        answer: { id: 'PLAYLIST_API_SESSION_UNKNOWN' },
      },
      { method: 'POST', path: '/sessions/short/move', ...invalid },
    ],
  },
};

let fixture: Fixture;
let ids: { readonly key: string; readonly session: string };

function workerOf(id: string): InstanceRegistration {
  return { kind: 'worker', id, address: '', runId: '', capacityUnits: 4, loadUnits: 1, isDraining: false };
}

async function start(): Promise<void> {
  fixture = await createFixture();
  await call({ method: 'POST', path: '/channels', body: { name: 'news', settings: { title: 'The news' } } });
  await call({ method: 'PUT', path: '/ladders/small', body: { rungs: ['source'] } });
  const made = await call({ method: 'POST', path: '/channels/news/stream-keys', body: { label: 'studio' } });
  const { sessionId } = await fixture.openSession('news');
  fixture.index.add(sessionId, rowsOf(FIRST_K, 1));
  fixture.clock.advance(3000);
  await fixture.untilPlayable('news');
  await fixture.leases.acquire({ channel: 'news', sessionId, workerId: 'worker-1', from: { k: 0, part: 0 } });
  fixture.workers.push(workerOf('worker-1'), workerOf('worker-2'));
  ids = { key: (made.body as { id: string }).id, session: sessionId };
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

async function call(
  { method, path, body }: Pick<Case, 'method' | 'path' | 'body'>,
  token: string | undefined = ADMIN_TOKEN,
): Promise<Answer> {
  const response = await fetch(
    `${fixture.url}/v1${path.replace('{key}', ids?.key).replace('{session}', ids?.session)}`,
    {
      method,
      headers: {
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
  );
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : JSON.parse(text),
  };
}

function expectProblem(answer: Answer): void {
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.body).toMatchObject({
    status: answer.status,
    id: expect.stringMatching(/^PLAYLIST_API_[A-Z_]+$/),
  });
}

describe('/v1', () => {
  test('every operation of the OpenAPI document has its cases', () => {
    const operations = Object.values(readOpenApiDocument().paths).flatMap((path) =>
      Object.values(path as Record<string, { operationId?: string }>).map(
        (operation) => operation.operationId,
      ),
    );
    const documented = operations.filter((id) => id !== undefined).toSorted();
    expect(documented).toEqual(Object.keys(OPERATIONS).toSorted());
    for (const { valid } of Object.values(OPERATIONS)) expect(valid).not.toHaveLength(0);
    const open = Object.values(OPERATIONS).filter(({ isPublic }) => isPublic === true);
    expect(publicPaths(readOpenApiDocument()).size).toBe(open.length);
  });

  const cases = Object.entries(OPERATIONS);
  const flat = (kind: 'valid' | 'invalid'): [string, Case][] =>
    cases.flatMap(([id, operation]) => operation[kind].map((each): [string, Case] => [id, each]));

  describe('changes', () => {
    beforeEach(start);
    afterEach(() => fixture.stop());

    test.each(flat('valid'))('%s takes %j', async (_id, request) => {
      const answer = await call(request);
      expect(answer).toMatchObject({
        status: request.status,
        ...(request.answer === undefined ? {} : { body: request.answer }),
      });
    });
  });

  describe('refusals', () => {
    beforeAll(start);
    afterAll(() => fixture.stop());

    test.each(flat('invalid'))('%s refuses %j', async (_id, request) => {
      const answer = await call(request);
      expect(answer).toMatchObject({ status: request.status, body: request.answer });
      expectProblem(answer);
    });

    test.each(cases)('%s asks for the admin token unless it is public', async (_id, { isPublic, valid }) => {
      const [request] = valid;
      if (request === undefined) throw new Error('no case');
      for (const token of ['', 'wrong-token-0123456789', `${ADMIN_TOKEN}x`, ADMIN_TOKEN.slice(0, -1)]) {
        fixture.clock.advance(60_000);
        const answer = await call(request, token);
        expect(answer.status).toBe(isPublic === true ? 200 : 401);
        if (isPublic === true) continue;
        expectProblem(answer);
        expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
      }
    });
  });
});
