import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { MESSAGE_LIMITS } from './grpc-limits.ts';
import { grpcTlsSchema, readTlsFiles } from './grpc-tls.ts';
import { echo, echoService } from './testing/echo.ts';
import { mutualTls, startLoopback } from './testing/loopback.ts';
import type { Loopback, LoopbackOptions } from './testing/loopback.ts';

type Tls = NonNullable<LoopbackOptions['tls']>;

let directory = '';
/** Of one authority, and of another one. */
let [ours, theirs]: Tls[] = [];

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-grpc-tls-'));
  [ours, theirs] = ['ours', 'theirs'].map((name) => {
    mkdirSync(join(directory, name));
    return mutualTls(join(directory, name));
  });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('the settings', () => {
  test('are off by default', () => {
    expect(grpcTlsSchema.parse(undefined)).toEqual({ enabled: false, requireClientCertificate: false });
  });

  test.each([
    ['a certificate without a key', { enabled: true, certFile: 'a.pem' }, 'keyFile'],
    ['a key without a certificate', { enabled: true, keyFile: 'a.key' }, 'keyFile'],
    [
      'clients that nobody can judge',
      { enabled: true, requireClientCertificate: true },
      'requireClientCertificate',
    ],
    ['files that are not used', { certFile: 'a.pem', keyFile: 'a.key' }, 'enabled'],
  ])('with %s are refused', (_, settings, setting) => {
    const { error } = grpcTlsSchema.safeParse(settings);
    expect(error?.issues.map(({ path }) => path)).toEqual([[setting]]);
  });
});

describe('the files', () => {
  const read = (settings: Tls, role: 'server' | 'client' = 'server') =>
    readTlsFiles(grpcTlsSchema.parse(settings), role);

  test('are not read while TLS is off', () => {
    expect(read({})).toBeUndefined();
  });

  test('are read for a server and for a client, which needs none of its own', () => {
    expect(read(ours ?? {})).toMatchObject({
      ca: expect.any(Buffer),
      own: { key: expect.any(Buffer), certificate: expect.any(Buffer) },
    });
    expect(read({ enabled: true }, 'client')).toEqual({});
  });

  test.each([
    ['that is missing', 'GRPC_TLS_FILE_UNREADABLE', 'certFile', (path: string) => join(path, 'missing.pem')],
    ['that is a folder', 'GRPC_TLS_FILE_UNREADABLE', 'caFile', (path: string) => path],
    ['that holds something else', 'GRPC_TLS_FILE_INVALID', 'caFile', () => emptyFile()],
    ['that is not a certificate', 'GRPC_TLS_FILE_INVALID', 'certFile', () => ours?.keyFile ?? ''],
    ['that is not a key', 'GRPC_TLS_FILE_INVALID', 'keyFile', () => ours?.certFile ?? ''],
    ['that is of another certificate', 'GRPC_TLS_KEY_MISMATCH', 'keyFile', () => theirs?.keyFile ?? ''],
  ])('with one %s are refused as such', (_, id, setting, pathOf) => {
    const path = pathOf(directory);
    const reading = (): unknown => read({ ...ours, [setting]: path });
    expect(reading).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', id }));
    expect(reading).toThrow(`grpc.tls.${setting}: ${path}`);
  });

  test('without a certificate are refused for a server', () => {
    expect(() => read({ enabled: true })).toThrow(
      expect.objectContaining({ id: 'GRPC_TLS_CERTIFICATE_MISSING' }),
    );
  });

  function emptyFile(): string {
    const path = join(directory, 'empty.pem');
    writeFileSync(path, '');
    return path;
  }
});

describe('a server with mutual TLS', () => {
  let loopback: Loopback | undefined;

  afterEach(async () => {
    await loopback?.stop();
    loopback = undefined;
  });

  async function ask(way: { readonly address?: string; readonly tls?: Tls }): Promise<string> {
    loopback = await startLoopback({
      services: [echoService],
      limits: MESSAGE_LIMITS.control,
      tls: ours ?? {},
    });
    const { address: host, tls } = way;
    const address = `${host ?? '127.0.0.1'}:${loopback.server.address.port}`;
    return echo(await loopback.connect({ address, ...(tls === undefined ? {} : { tls }) }), 'hello');
  }

  test('answers a client that shows a certificate of its authority', async () => {
    expect(await ask({})).toBe('hello');
  });

  test('answers under another name when that is the one in its certificate', async () => {
    expect(await ask({ address: 'localhost', tls: { ...ours, serverName: '127.0.0.1' } })).toBe('hello');
  });

  test.each([
    ['speaks plain text', () => ({ tls: {} })],
    ['shows no certificate', () => ({ tls: { enabled: true, caFile: ours?.caFile } as Tls })],
    [
      'shows one of another authority',
      () => ({ tls: { ...ours, certFile: theirs?.certFile, keyFile: theirs?.keyFile } as Tls }),
    ],
    ['trusts another authority', () => ({ tls: { ...ours, caFile: theirs?.caFile } as Tls })],
    ['asks for another host', () => ({ address: 'localhost' })],
    ['asks for another name', () => ({ tls: { ...ours, serverName: 'other.example' } })],
  ])('and a client that %s have nothing to say to each other', async (_, way) => {
    await expect(ask(way())).rejects.toMatchObject({
      name: 'ServiceError',
      code: 'UNAVAILABLE',
      id: 'GRPC_UNAVAILABLE',
    });
  });
});
