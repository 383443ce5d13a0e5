import type { IncomingHttpHeaders } from 'node:http2';
import { describe, expect, test } from '@jest/globals';
import { Metadata } from '@grpc/grpc-js';
import { ServiceError } from '../../service-error.ts';
import { fromStatus, toErrorCode, toStatus } from './grpc-errors.ts';

const ENTRY = 'millrace-error-bin';

/** The error as a peer gets it that was sent over a connection. */
function overTheWire(error: unknown): ServiceError {
  const { code, details, entry } = toStatus(error);
  const sent = new Metadata();
  sent.set(...entry);
  const metadata = Metadata.fromHttp2Headers(sent.toHttp2Headers() as IncomingHttpHeaders);
  return fromStatus({ code, details: decodeURI(encodeURI(details)), metadata });
}

function received(code: number, value?: string | Buffer, details = 'what it says'): ServiceError {
  return fromStatus({ code, details, metadata: { get: () => (value === undefined ? [] : [value]) } });
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

describe('an error over gRPC', () => {
  test.each([
    new ServiceError('FAILED_PRECONDITION', 'PACKAGER_TOKEN_STALE', 'Token 7 rules', {
      details: { rulingToken: 7, at: { k: 1 } },
    }),
    new ServiceError('UNAVAILABLE', 'INGEST_AWAY', 'Ingest is away — später'),
    new ServiceError('UNAVAILABLE', 'INGEST_AWAY', 'For good', { retryable: false }),
    new ServiceError('DEADLINE_EXCEEDED', 'INGEST_PERIOD_NOT_OPENED', '', { retryable: true }),
  ])('arrives as it was thrown: $id', (error) => {
    const arrived = overTheWire(error);
    const { code, id, retryable, details, message } = error;
    expect({ ...arrived, message: arrived.message }).toEqual({
      name: 'ServiceError',
      ...{ code, id, retryable, details, message },
    });
  });

  test('without a name arrives as one that says nothing of the inside', () => {
    expect(overTheWire(new TypeError('the password is 1234'))).toMatchObject({
      code: 'INTERNAL',
      id: 'GRPC_HANDLER_FAILED',
      retryable: false,
      message: expect.not.stringContaining('1234'),
    });
    expect(overTheWire(undefined).id).toBe('GRPC_HANDLER_FAILED');
  });

  test.each([
    ['details that JSON has no form for', { size: 1n }],
    ['details that are too large for headers', { text: 'x'.repeat(100_000) }],
  ])('with %s arrives without them', (_, details) => {
    const error = new ServiceError('NOT_FOUND', 'SOMETHING_MISSING', 'text', { details });
    expect(overTheWire(error)).toMatchObject({ id: 'SOMETHING_MISSING', details: {} });
  });

  test('with a long text is cut to what can be sent, also in the middle of a character', () => {
    const error = new ServiceError(
      'NOT_FOUND',
      'SOMETHING_MISSING',
      `${'x'.repeat(1023)}🎬${'y'.repeat(1e6)}`,
    );
    expect(overTheWire(error).message).toBe(`${'x'.repeat(1023)}\u{FFFD}`);
  });
});

describe('a status', () => {
  test.each([
    [1, 'UNAVAILABLE', 'GRPC_CANCELLED', true],
    [2, 'INTERNAL', 'GRPC_UNKNOWN', false],
    [4, 'DEADLINE_EXCEEDED', 'GRPC_DEADLINE_EXCEEDED', true],
    [8, 'RESOURCE_EXHAUSTED', 'GRPC_RESOURCE_EXHAUSTED', false],
    [12, 'INTERNAL', 'GRPC_UNIMPLEMENTED', false],
    [13, 'INTERNAL', 'GRPC_INTERNAL', false],
    [14, 'UNAVAILABLE', 'GRPC_UNAVAILABLE', true],
    [16, 'UNAUTHENTICATED', 'GRPC_UNAUTHENTICATED', false],
    [0, 'INTERNAL', 'GRPC_STATUS_INVALID', false],
    [99, 'INTERNAL', 'GRPC_STATUS_INVALID', false],
    [Number.NaN, 'INTERNAL', 'GRPC_STATUS_INVALID', false],
  ])('%d from somebody else is %s', (status, code, id, retryable) => {
    expect(received(status)).toMatchObject({ name: 'ServiceError', code, id, retryable });
    expect(received(status).message).toContain('what it says');
  });

  test('of a stream that the transport has reset is a lost connection', () => {
    expect(received(13, undefined, 'Received RST_STREAM with code 2 (Internal server error)')).toMatchObject({
      code: 'UNAVAILABLE',
      id: 'GRPC_CONNECTION_LOST',
      retryable: true,
    });
  });

  test.each([
    ['no JSON', Buffer.from('{')],
    ['no bytes', '{"id":"GOOD_ID","retryable":true}'],
    ['bytes without end', Buffer.alloc(1_000_000, 0x20)],
    ['null', json(null)],
    ['a list', json([{ id: 'GOOD_ID', retryable: true }])],
    ['no id', json({ retryable: true })],
    ['an id that is no text', json({ id: { length: 3 }, retryable: true })],
    ['an id that would break a log or a metric', json({ id: 'BAD\nID"}', retryable: true })],
    ['an id without end', json({ id: 'A'.repeat(1000), retryable: true })],
    ['something else than yes or no', json({ id: 'GOOD_ID', retryable: 'yes' })],
  ])('with %s for its entry is taken without it', (_, value) => {
    expect(received(5, value)).toMatchObject({
      code: 'NOT_FOUND',
      id: 'GRPC_NOT_FOUND',
      retryable: false,
      details: {},
    });
  });

  test.each([[[1, 2]], ['text'], [7], [null]])('with %j for details has none', (details) => {
    expect(received(5, json({ id: 'GOOD_ID', retryable: false, details })).details).toEqual({});
  });

  test('with a prototype for details changes no object', () => {
    const hostile = Buffer.from(
      '{"id":"GOOD_ID","retryable":false,"details":{"__proto__":{"isAdmin":true}}}',
    );
    const { details } = received(5, hostile);
    expect((details as { readonly isAdmin?: boolean }).isAdmin).toBeUndefined();
    expect(({} as { readonly isAdmin?: boolean }).isAdmin).toBeUndefined();
  });

  test('has a text of bounded length', () => {
    expect(received(5, undefined, 'x'.repeat(1_000_000)).message.length).toBeLessThan(1200);
    expect(received(5, json({ id: 'GOOD_ID', retryable: true }), 'x'.repeat(1e6)).message).toHaveLength(1024);
  });

  test('finds the entry under its name', () => {
    const metadata = new Metadata();
    metadata.set(ENTRY, json({ id: 'GOOD_ID', retryable: true }));
    expect(fromStatus({ code: 5, details: '', metadata }).id).toBe('GOOD_ID');
  });
});

test.each([
  ['NOT_FOUND', 'NOT_FOUND'],
  ['OK', 'INTERNAL'],
  ['toString', 'INTERNAL'],
  ['', 'INTERNAL'],
])('the code `%s` of a peer is taken as %s', (name, code) => {
  expect(toErrorCode(name)).toBe(code);
});
