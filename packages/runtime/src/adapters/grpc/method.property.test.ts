import { describe, expect, test } from '@jest/globals';
import type { twin } from '@millrace/contracts';
import * as fc from 'fast-check';
import { ServiceError } from '../../service-error.ts';
import { FIRST_K, initOf, partOf } from '../../testing/contract-parts.ts';
import {
  checkAuthorizePublish,
  checkAuthorizePublishAnswer,
  checkFollow,
  checkFollowAnswer,
  checkNothing,
  checkOpenPeriod,
  checkPublish,
  checkPublishAnswer,
  checkSubscribe,
  checkSubscribeAnswer,
  checkWatch,
} from './message-checks.ts';
import { marshal, unmarshal } from './method.ts';
import type { Check, Method } from './method.ts';
import { AUTHORIZE_PUBLISH, FOLLOW, OPEN_PERIOD, PUBLISH, SUBSCRIBE, WATCH } from './methods.ts';

const numRuns = Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 500);
const seed = 1;

interface Case {
  readonly name: string;
  readonly read: (bytes: Buffer) => unknown;
  readonly sample: Buffer;
}

function bothWays<Q, A>(
  name: string,
  method: Method<Q, A>,
  checks: readonly [Check<Q>, Check<A>],
  samples: readonly [Q, A],
): Case[] {
  return [
    {
      name: `${name}, the request`,
      read: (bytes) => unmarshal(method.request, bytes, checks[0]),
      sample: marshal(method.request, samples[0]),
    },
    {
      name: `${name}, the answer`,
      read: (bytes) => unmarshal(method.response, bytes, checks[1]),
      sample: marshal(method.response, samples[1]),
    },
  ];
}

const part = partOf('720p', 0, 0);
const row = {
  ...{ renditionId: '720p', k: FIRST_K, msn: 1, discontinuitySequence: 2, period: 3, utcOffsetUs: -5 },
  ...{ baseMediaDecodeTime: 1e15, durationTicks: 180_000, isComplete: true, isGap: false },
  ...{ hasDiscontinuity: true, runFirstK: FIRST_K },
  parts: [{ durationTicks: 90_000, sizeBytes: 5, isIndependent: true, isGap: false }],
};
const fragment = {
  ...{ trackId: 1, dts: 1e15, compositionOffset: -3000, duration: 3000, isRandomAccess: true },
  ...{ isFiller: false, data: Buffer.alloc(20, 7) },
};

const CASES: readonly Case[] = [
  ...bothWays(
    'Subscribe',
    SUBSCRIBE,
    [checkSubscribe, checkSubscribeAnswer],
    [
      { sessionId: 'session', period: 1, fromTicks: 1e15 },
      { payload: { $case: 'fragments', value: { fragments: [fragment, fragment] } } },
    ],
  ),
  ...bothWays(
    'OpenPeriod',
    OPEN_PERIOD,
    [checkOpenPeriod, checkNothing],
    [
      { sessionId: 'session', leaseToken: 1e15, reason: 'test', afterPeriod: 3 },
      { period: 1, firstK: FIRST_K },
    ],
  ),
  ...bothWays(
    'Publish',
    PUBLISH,
    [checkPublish, checkPublishAnswer],
    [
      { payload: { $case: 'part', value: part } },
      {
        payload: {
          $case: 'helloReply',
          value: {
            renditions: [{ renditionId: '720p', rows: [row], resume: { k: FIRST_K, part: 1 } }],
            inits: [initOf('720p')],
          },
        },
      },
    ],
  ),
  ...bothWays(
    'Watch',
    WATCH,
    [checkWatch, checkNothing],
    [{ sessionId: 'session', withParts: true }, { rows: [row, row] }],
  ),
  ...bothWays(
    'Follow',
    FOLLOW,
    [checkFollow, checkFollowAnswer],
    [
      { sessionId: 'session' },
      {
        payload: {
          $case: 'header',
          value: {
            ...{ isHeld: true, isFed: false, claims: [{ token: 1e15, from: { k: FIRST_K, part: 1 } }] },
            renditions: [
              { renditionId: '720p', known: [{ first: 1, last: FIRST_K }], longestWindowMs: 12_000 },
            ],
          },
        },
      },
    ],
  ),
  ...bothWays(
    'AuthorizePublish',
    AUTHORIZE_PUBLISH,
    [checkAuthorizePublish, checkAuthorizePublishAnswer],
    [
      { app: 'live', streamKeySha256: Buffer.alloc(32, 1), remoteAddress: '192.0.2.1' },
      { result: { $case: 'refusal', value: 1 } },
    ],
  ),
];

/** What came is a message or a named error; nothing is thrown. Cheap, since it is asked very often. */
function isAnswer(received: unknown): boolean {
  if (received instanceof ServiceError) return received.id === 'GRPC_MESSAGE_INVALID';
  return typeof received === 'object' && received !== null;
}

describe.each(CASES)('$name', ({ read, sample }) => {
  test('is read as it was written', () => {
    expect(read(sample)).not.toBeInstanceOf(ServiceError);
  });

  test('of random bytes, or cut, or changed is a message or a named error', () => {
    const random = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
    const change = fc.tuple(fc.nat(sample.length), fc.nat(255));
    const changed = fc
      .tuple(fc.nat(sample.length), fc.array(change, { maxLength: 4 }))
      .map(([length, changes]) => {
        const bytes = Buffer.from(sample.subarray(0, length));
        for (const [index, value] of changes) bytes[index] = value;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(random, changed), (bytes) => isAnswer(read(bytes))),
      { numRuns, seed },
    );
  });
});

test('a part is read as it was written, byte by byte', () => {
  const arbitrary = fc.record({
    k: fc.maxSafeNat(),
    baseMediaDecodeTime: fc.maxSafeInteger(),
    durationTicks: fc.maxSafeNat(),
    utcOffsetUs: fc.maxSafeInteger(),
    isGap: fc.boolean(),
    data: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  });
  fc.assert(
    fc.property(arbitrary, ({ k, ...change }) => {
      const value = { ...part, ...change, position: { k, part: 1 } };
      const message = { payload: { $case: 'part' as const, value } };
      expect(unmarshal(PUBLISH.request, marshal(PUBLISH.request, message), checkPublish)).toEqual(message);
    }),
    { numRuns: Math.min(numRuns, 10_000), seed },
  );
});

test.each([
  ['ranges that overlap', { renditions: [{ renditionId: 'a', known: [range(1, 5), range(5, 6)] }] }],
  ['a range that ends before it begins', { renditions: [{ renditionId: 'a', known: [range(5, 1)] }] }],
  ['a claim without a position', { claims: [{ token: 1, from: undefined }] }],
  ['a claim without a token', { claims: [{ token: 0, from: { k: 1, part: 0 } }] }],
  ['more claims than there can be', { claims: Array.from({ length: 65 }, (_, k) => claim(k + 1)) }],
  ['more ranges than there can be', { renditions: [{ renditionId: 'a', known: manyRanges(1025) }] }],
])('the header of a copy with %s is refused', (_, { claims = [], renditions = [] }: HeaderCase) => {
  const value = {
    ...{ isHeld: true, isFed: true, claims: [...claims] },
    renditions: renditions.map(({ renditionId, known }) => ({
      ...{ renditionId, known: [...known], longestWindowMs: 0 },
    })),
  };
  const bytes = marshal(FOLLOW.response, { payload: { $case: 'header', value } });
  expect(unmarshal(FOLLOW.response, bytes, checkFollowAnswer)).toMatchObject({ id: 'GRPC_MESSAGE_INVALID' });
});

interface HeaderCase {
  readonly claims?: readonly twin.TokenClaim[];
  readonly renditions?: readonly { readonly renditionId: string; readonly known: readonly twin.Range[] }[];
}

function range(first: number, last: number): twin.Range {
  return { first, last };
}

function manyRanges(count: number): readonly twin.Range[] {
  return Array.from({ length: count }, (_, index) => range(index * 2, index * 2));
}

function claim(token: number): twin.TokenClaim {
  return { token, from: { k: token, part: 0 } };
}
