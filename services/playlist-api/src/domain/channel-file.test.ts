import { describe, expect, test } from '@jest/globals';
import { mergeDeclarations, parseChannelFile } from './channel-file.ts';
import { hashStreamKey } from './stream-key.ts';

function problemsOf(text: string): readonly string[] {
  const result = parseChannelFile(text);
  return 'problems' in result ? result.problems : [];
}

describe('channel file', () => {
  test.each([
    ['an ordered map of settings', 'channels: { news: { settings: !!omap [windowSegments: 9] } }'],
    ['an ordered map of everything', '!!omap [channels: { news: {} }]'],
    ['a type of its own', 'channels: { news: { settings: !own { windowSegments: 9 } } }'],
  ])('%s is a problem where it stands, not settings that nobody made', (_, text) => {
    expect(problemsOf(text)).toEqual([expect.stringMatching(/^line 1, column \d+: not YAML \(TAG_/)]);
  });

  test('declares ladders, channels and keys; keys are hashed', () => {
    const result = parseChannelFile(`
ladders:
  small: [{ name: 360p, width: 640, height: 360, bitrateBps: 700000 }, source]
channels:
  news:
    settings: { ladder: small, segmentDuration: source, graceSeconds: 10 }
    streamKeys:
      - { name: studio, key: a-long-enough-key-0123 }
      - { name: van, sha256: ${'b'.repeat(64)}, role: backup }
  plain: {}
`);
    if ('problems' in result) throw new Error(result.problems.join());
    expect(result.channels.get('news')).toMatchObject({
      settings: { ladder: 'small', segmentDuration: 'source', graceSeconds: 10, windowSegments: 6 },
      streamKeys: [
        { name: 'studio', sha256: hashStreamKey('a-long-enough-key-0123'), role: 'primary' },
        { name: 'van', sha256: 'b'.repeat(64), role: 'backup' },
      ],
    });
    expect(result.channels.get('plain')).toMatchObject({ settings: { ladder: 'default' }, streamKeys: [] });
    expect([...result.ladders.keys()]).toEqual(['small']);
  });

  test('an empty file declares nothing', () => {
    expect(parseChannelFile('')).toMatchObject({ channels: new Map(), ladders: new Map() });
  });

  test('every problem is told at once, with its place', () => {
    const problems = problemsOf(`
channels:
  News: {}
  sports:
    settings: { windowSegments: 2, segmentDuration: 0.5, colour: red }
    streamKeys: [{ name: a }]
extra: 1
`);
    for (const place of [
      'channels.News',
      'channels.sports.settings.windowSegments',
      'streamKeys.0',
      'the file',
    ]) {
      expect(problems.join('\n')).toContain(place);
    }
  });

  test('no problem quotes a key', () => {
    const secret = 'secret key with spaces 0123456789';
    for (const text of [
      `channels: { a: { streamKeys: [{ name: k, key: "${secret}" }] } }`,
      `channels: { a: { streamKeys: "${secret}" } }`,
      `channels: { a: { streamKeys: [{ name: k, key: "${secret}" }`,
      `channels: { a: { streamKeys: [{ name: k, key: &x "${secret}", sha256: *y }] } }`,
    ]) {
      expect(problemsOf(text)).not.toHaveLength(0);
      expect(problemsOf(text).join()).not.toContain('secret key');
    }
  });

  test('a key is used once', () => {
    const key = 'a-long-enough-key-0123';
    const text = `channels: { a: { streamKeys: [{ name: k, key: ${key} }] }, b: { streamKeys: [{ name: k, key: ${key} }] } }`;
    expect(problemsOf(text)).toEqual(['channels.b.streamKeys: k is the same key as a/k']);
  });

  test.each([
    [
      'an alias bomb',
      `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
        .split('')
        .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join()}]`)
        .join('\n')}`,
    ],
    ['deep nesting', '['.repeat(100_000)],
    ['too large a file', `# ${'x'.repeat(1024 * 1024)}`],
    ['two documents', 'a: 1\n---\nb: 2'],
    ['a name twice', 'channels: { a: {}, a: {} }'],
  ])('%s is refused', (_name, text) => {
    expect(problemsOf(text)).not.toHaveLength(0);
  });

  test('a name from the prototype makes no channel, and changes no prototype', () => {
    const result = parseChannelFile('channels: { __proto__: { settings: { isEnabled: false } } }');
    expect(result).toMatchObject({ channels: new Map() });
    expect(({} as Record<string, unknown>)['settings']).toBeUndefined();
  });

  test('files declare a name once between them', () => {
    const one = parseChannelFile('channels: { a: {} }');
    const merged = mergeDeclarations([
      { path: 'one.yaml', result: one },
      { path: 'two.yaml', result: one },
    ]);
    expect(merged).toEqual({ problems: ['two.yaml: channel a is declared in another file too'] });
  });
});
