import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { marshalDuration } from './iso8601.ts';
import { marshalMpd } from './mpd-writer.ts';
import type { MpdInput } from './mpd.ts';
import { escapeXml } from './xml.ts';

const second = { value: 1, timescale: 1 };

function mpdOf(change: Partial<MpdInput> = {}): MpdInput {
  return {
    id: 'session',
    life: {
      type: 'dynamic',
      minimumUpdatePeriod: second,
      timeShiftBufferDepth: { value: 12_012, timescale: 1000 },
      suggestedPresentationDelay: { value: 3, timescale: 1 },
    },
    availabilityStartMs: 250,
    publishTimeMs: 1_780_000_000_250,
    minBufferTime: second,
    maxSegmentDuration: { value: 1001, timescale: 500 },
    utcTimingUrl: '/time?a=1&b="2"',
    periods: [
      {
        id: 'p<0>',
        start: { value: 890_000_000 * 1001, timescale: 500 },
        adaptationSets: [
          {
            id: 0,
            contentType: 'video',
            representations: [
              {
                id: '720p',
                codecs: 'avc1.64001f',
                bandwidth: 1000,
                video: { width: 1280, height: 720, sar: '1:1', frameRate: '30000/1001' },
                template: {
                  timescale: 90_000,
                  media: '$Number$.m4s',
                  initialization: 'init-0.mp4',
                  startNumber: 7,
                  presentationTimeOffset: 160_360_200_000_000,
                  addressing: {
                    kind: 'timeline',
                    segments: [
                      { t: 160_360_200_000_000, d: 180_180 },
                      { t: 160_360_200_180_180, d: 180_180 },
                      { t: 160_360_200_400_000, d: 1 },
                    ],
                  },
                },
              },
            ],
          },
        ],
      },
    ],
    ...change,
  };
}

describe('MPD writer', () => {
  test('a dynamic MPD, byte for byte', () => {
    expect(marshalMpd(mpdOf())).toMatchSnapshot();
  });

  test('T-6: a static MPD has its duration and nothing that only a live one has', () => {
    const text = marshalMpd(
      mpdOf({ life: { type: 'static', mediaPresentationDuration: { value: 90, timescale: 1 } } }),
    );
    expect(text).toContain('type="static"');
    expect(text).toContain('mediaPresentationDuration="PT90S"');
    expect(text).not.toMatch(/minimumUpdatePeriod|timeShiftBufferDepth|suggestedPresentationDelay/);
  });

  test('T-4: S@t stands on the first segment and after a jump, nowhere else', () => {
    expect([...marshalMpd(mpdOf()).matchAll(/<S (.*)\/>/g)].map(([, attributes]) => attributes)).toEqual([
      't="160360200000000" d="180180"',
      'd="180180"',
      't="160360200400000" d="1"',
    ]);
  });

  test.each([
    [0, 1, 'PT0S'],
    [2, 1, 'PT2S'],
    [1001, 500, 'PT2.002S'],
    [1, 3, 'PT0.333333S'],
    [1, 1_000_000, 'PT0.000001S'],
    [1, 10_000_000, 'PT0S'],
    [890_000_000 * 1001, 500, 'PT1781780000S'],
    [Number.MAX_SAFE_INTEGER, 1, 'PT9007199254740991S'],
  ])('%d/%d seconds are %s', (value, timescale, text) => {
    expect(marshalDuration(value, timescale)).toBe(text);
  });

  test('T-12: whatever a text holds, the attribute reads back as the same text', () => {
    const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
    const unescape = (text: string): string =>
      text.replaceAll(/&(?:#(\d+)|(\w+));/g, (_all, code: string | undefined, name: string | undefined) =>
        code === undefined ? (entities[name ?? ''] ?? '') : String.fromCodePoint(Number(code)),
      );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const escaped = escapeXml(text);
        expect(escaped).not.toMatch(/[<>"'\t\r\n]|&(?!(?:amp|lt|gt|quot|apos|#\d+);)/);
        // Characters that no XML 1.0 document can hold become U+FFFD; all others survive.
        const expected = [...text]
          .map((character) => (isXmlCharacter(character) ? character : '\ufffd'))
          .join('');
        expect(unescape(escaped)).toBe(expected);
      }),
      { numRuns: 2000, seed: 1 },
    );
  });

  test('a lone surrogate cannot break the document', () => {
    expect(escapeXml('a\ud800b')).toBe('a\ufffdb');
  });
});

function isXmlCharacter(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return code === 9 || code === 10 || code === 13;
  return code < 0xfffe || code > 0xffff;
}
