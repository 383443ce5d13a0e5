import { describe, expect, test } from '@jest/globals';
import { resolvePublishTarget } from './publish-target.ts';

interface Case {
  readonly name: string;
  readonly app?: string;
  readonly tcUrl?: string;
  readonly stream: string;
  /** app, stream key, query. */
  readonly target: readonly [string, string, Readonly<Record<string, string>>] | undefined;
}

const U = 'rtmp://localhost:1935';

const cases: readonly Case[] = [
  // The shapes of gortmplib's server_conn_test.go.
  { name: 'ffmpeg, one component', app: 'comp1', tcUrl: `${U}/comp1`, stream: '', target: ['comp1', '', {}] },
  {
    name: 'ffmpeg, one component and a query: the key may be in it',
    app: 'comp1?key=val',
    tcUrl: `${U}/comp1?key=val`,
    stream: '',
    target: ['comp1', 'val', { key: 'val' }],
  },
  {
    name: 'ffmpeg, two components',
    app: 'comp1',
    tcUrl: `${U}/comp1`,
    stream: 'comp2',
    target: ['comp1', 'comp2', {}],
  },
  {
    name: 'ffmpeg, two components and a query in the name',
    app: 'comp1',
    tcUrl: `${U}/comp1`,
    stream: 'comp2?key=val',
    target: ['comp1', 'comp2', { key: 'val' }],
  },
  {
    name: 'gstreamer, one component',
    app: 'comp1',
    tcUrl: `${U}/comp1`,
    stream: '',
    target: ['comp1', '', {}],
  },
  {
    name: 'gstreamer, one component and a query',
    app: 'comp1?key=val',
    tcUrl: 'rtmp://localhost/comp1?key=val',
    stream: '',
    target: ['comp1', 'val', { key: 'val' }],
  },
  {
    name: 'gstreamer, two components',
    app: 'comp1',
    tcUrl: 'rtmp://localhost/comp1',
    stream: 'comp2',
    target: ['comp1', 'comp2', {}],
  },
  {
    name: 'gstreamer, two components and a query',
    app: 'comp1',
    tcUrl: 'rtmp://localhost/comp1',
    stream: 'comp2?key=val',
    target: ['comp1', 'comp2', { key: 'val' }],
  },
  { name: 'OBS, one component', app: 'comp1', tcUrl: `${U}/comp1`, stream: '', target: ['comp1', '', {}] },
  {
    name: 'OBS, one component and a query',
    app: 'comp1?key=val&tee=taa',
    tcUrl: `${U}/comp1?key=val&tee=taa`,
    stream: '',
    target: ['comp1', 'val', { key: 'val', tee: 'taa' }],
  },
  {
    name: 'OBS, two components in the server field',
    app: 'comp1/comp2',
    tcUrl: `${U}/comp1/comp2`,
    stream: '',
    target: ['comp1', 'comp2', {}],
  },
  {
    name: 'OBS, two components and a query in the server field',
    app: 'comp1/comp2?key=val',
    tcUrl: `${U}/comp1/comp2?key=val`,
    stream: '',
    target: ['comp1', 'comp2', { key: 'val' }],
  },
  {
    name: 'OBS multitrack, one component',
    app: 'comp1',
    tcUrl: 'rtmp://localhost/comp1',
    stream: '',
    target: ['comp1', '', {}],
  },
  {
    name: 'OBS multitrack, two components',
    app: 'comp1/comp2',
    tcUrl: `${U}/comp1/comp2`,
    stream: '',
    target: ['comp1', 'comp2', {}],
  },
  {
    name: 'OBS multitrack, two components, the query also as the name',
    app: 'comp1/comp2?key=val',
    tcUrl: `${U}/comp1/comp2?key=val`,
    stream: '?key=val',
    target: ['comp1', 'comp2', { key: 'val' }],
  },
  {
    name: "Neko, tcUrl starts with '",
    app: 'stream',
    tcUrl: `'${U}/stream`,
    stream: '',
    target: ['stream', '', {}],
  },
  {
    name: 'parameters of authmod=adobe are stripped',
    app: 'comp1?authmod=adobe&user=myuser&challenge=1234&response=5678',
    tcUrl: `${U}/comp1?authmod=adobe&user=myuser&challenge=1234&response=5678`,
    stream: '',
    target: ['comp1', '', {}],
  },
  // More of the same kind.
  {
    name: 'librtmp, answer to a challenge of authmod=adobe: base64 with all its characters, key in the name',
    app: 'live?authmod=adobe&user=me&challenge=zq9b+w==&response=3Kq/abc+de==&opaque=vgoA/A==',
    tcUrl: `${U}/live?authmod=adobe&user=me&challenge=zq9b+w==&response=3Kq/abc+de==&opaque=vgoA/A==`,
    stream: 'key?token=x',
    target: ['live', 'key', { token: 'x' }],
  },
  {
    name: 'librtmp, answer to a challenge of authmod=llnw',
    app: 'live?authmod=llnw&user=me&nonce=abc/=&cnonce=0badcafe&nc=00000001&response=d41d8cd98f00b204',
    stream: 'key',
    target: ['live', 'key', {}],
  },
  {
    name: 'the key in the query, an answer to a challenge behind it',
    app: 'live?key=val?authmod=adobe&user=me&challenge=zq9b+w==&response=3Kq/abc==&opaque=vgoAAA==',
    stream: '',
    target: ['live', 'val', { key: 'val' }],
  },
  {
    name: 'authmod behind a query of its own',
    app: 'live?a=b?authmod=adobe&user=myuser',
    stream: 'key',
    target: ['live', 'key', { a: 'b' }],
  },
  {
    name: 'user is a parameter like any other without authmod',
    app: 'live?user=me',
    stream: 'key',
    target: ['live', 'key', { user: 'me' }],
  },
  {
    name: 'OBS, a slash at the end of the server field',
    app: 'live/',
    tcUrl: `${U}/live/`,
    stream: 'key',
    target: ['live', 'key', {}],
  },
  { name: 'an app of two levels', app: 'a/b', tcUrl: `${U}/a/b`, stream: 'key', target: ['a/b', 'key', {}] },
  {
    name: 'ffmpeg, four components: a/b and c/key',
    app: 'a/b',
    stream: 'c/key',
    target: ['a/b/c', 'key', {}],
  },
  { name: 'srs-bench, tcUrl and no app', tcUrl: `${U}/live`, stream: 'key', target: ['live', 'key', {}] },
  {
    name: 'tcUrl with the key, no app, no name',
    tcUrl: `${U}/live/key?x=1`,
    stream: '',
    target: ['live', 'key', { x: '1' }],
  },
  {
    name: 'tcUrl with the key, app without',
    app: 'live',
    tcUrl: `${U}/live/key`,
    stream: '',
    target: ['live', 'key', {}],
  },
  {
    name: 'tcUrl longer than app where the name has the key',
    app: 'live',
    tcUrl: `${U}/live/x`,
    stream: 'key',
    target: ['live', 'key', {}],
  },
  {
    name: 'tcUrl that is no URL (kills Node-Media-Server 4.4.3)',
    app: 'live',
    tcUrl: 'not a url',
    stream: 'key',
    target: ['live', 'key', {}],
  },
  {
    name: 'tcUrl that is only a host',
    app: 'live',
    tcUrl: 'rtmp://h',
    stream: 'key',
    target: ['live', 'key', {}],
  },
  { name: 'nothing at all', stream: '', target: ['', '', {}] },
  {
    name: 'a token in base64, percent-encoded',
    app: 'live',
    stream: 'key?t=a%2Fb%3D%3D',
    target: ['live', 'key', { t: 'a/b==' }],
  },
  {
    name: 'a query that is not percent-encoded',
    app: 'live',
    stream: 'key?t=50%&f',
    target: ['live', 'key', { t: '50%', f: '' }],
  },
  {
    name: 'a parameter called __proto__ is a parameter',
    app: 'live',
    stream: 'key?__proto__=1',
    target: ['live', 'key', { ['__proto__']: '1' }],
  },
  {
    name: 'FMLE and Wirecast, the default instance of the app',
    app: 'live/_definst_',
    stream: 'key',
    target: ['live', 'key', {}],
  },
  // Refused.
  { name: 'path traversal', app: 'live', stream: '../../etc/passwd', target: undefined },
  { name: 'a control character', app: 'live', stream: 'a\nb', target: undefined },
  { name: 'a blank', app: 'live', stream: 'a b', target: undefined },
  { name: 'a key in the query that is no name', app: 'live?key=a%2Fb', stream: '', target: undefined },
  { name: 'a backslash', app: 'live', stream: 'a\\b', target: undefined },
  { name: 'a name longer than any key', app: 'live', stream: 'x'.repeat(2000), target: undefined },
];

describe('resolvePublishTarget', () => {
  test.each(cases)('$name', ({ app, tcUrl, stream, target }) => {
    const got = resolvePublishTarget(app, tcUrl, stream);
    const expected = target && {
      app: target[0],
      streamKey: target[1],
      query: new Map(Object.entries(target[2])),
    };
    expect(got).toEqual(expected);
  });
});
