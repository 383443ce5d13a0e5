import { FIRST_K } from './fixture-media.ts';
import type { FixtureObject, Mutation } from './fixture-origin.ts';

/** A way to break a presentation, and the rule that has to notice. */
export interface MutationCase {
  readonly name: string;
  readonly rule: string;
  readonly mutation: Mutation;
  readonly isDecoding?: boolean;
}

/** Time since the first segment from when on most mutations apply, so that there is a revision before. */
const LATER_MS = 6000;

const MEDIA_PLAYLIST = /^media\/\w+\/index\.m3u8$/;
const HIGH_PLAYLIST = /^media\/high\/index\.m3u8$/;
const MULTIVARIANT = /^index\.m3u8$/;
const MPDS = /\.mpd$/;
const TIMELINE = /^timeline\.mpd$/;

function text(path: RegExp, change: (body: string, sinceFirstMs: number) => string, fromMs = 0): Mutation {
  return (object, where, sinceFirstMs) => {
    if (!path.test(where) || object.status !== 200 || sinceFirstMs < fromMs) return;
    object.body = Buffer.from(change(object.body.toString('utf8'), sinceFirstMs));
  };
}

function replace(path: RegExp, pattern: RegExp | string, by: string, fromMs = 0): Mutation {
  return text(path, (body) => body.replaceAll(pattern, by), fromMs);
}

function object(path: RegExp, change: (served: FixtureObject) => void, fromMs = 0): Mutation {
  return (served, where, sinceFirstMs) => {
    if (path.test(where) && sinceFirstMs >= fromMs) change(served);
  };
}

/** Changes the media of one segment, the same at every request. */
function media(path: RegExp, change: (bytes: Buffer) => Buffer): Mutation {
  return object(path, (served) => {
    if (served.status === 200) served.body = change(Buffer.from(served.body));
  });
}

/** Adds to the first `tfdt`. */
function moveTfdt(ticks: bigint): (bytes: Buffer) => Buffer {
  return (bytes) => {
    const at = bytes.indexOf('tfdt') + 8;
    bytes.writeBigUInt64BE(bytes.readBigUInt64BE(at) + ticks, at);
    return bytes;
  };
}

function patch(box: string, offset: number, value: number): (bytes: Buffer) => Buffer {
  return (bytes) => {
    bytes.writeUInt32BE(value, bytes.indexOf(box) + 4 + offset);
    return bytes;
  };
}

const k = (index: number): number => FIRST_K + index;
const segment = (rendition: string, index: number, extension = 'm4s'): RegExp =>
  new RegExp(`^media/${rendition}/${k(index)}\\.${extension}$`);

const playlists: readonly MutationCase[] = [
  {
    name: 'no target duration',
    rule: 'H-1',
    mutation: replace(MEDIA_PLAYLIST, /#EXT-X-TARGETDURATION:1\n/g, ''),
  },
  {
    name: 'a target duration that changes',
    rule: 'H-1',
    mutation: replace(MEDIA_PLAYLIST, 'TARGETDURATION:1', 'TARGETDURATION:2', LATER_MS),
  },
  {
    name: 'another target duration in one rendition',
    rule: 'H-1',
    mutation: replace(HIGH_PLAYLIST, 'TARGETDURATION:1', 'TARGETDURATION:2'),
  },
  {
    name: 'EXTINF above the target duration',
    rule: 'H-2',
    mutation: replace(HIGH_PLAYLIST, /EXTINF:1\.0+/g, 'EXTINF:1.6'),
  },
  {
    name: 'EXTINF that is not the duration',
    rule: 'H-2',
    mutation: replace(HIGH_PLAYLIST, /EXTINF:1\.0+/g, 'EXTINF:0.95'),
  },
  {
    name: 'a playlist that stands still',
    rule: 'H-3',
    mutation: (() => {
      let frozen: Buffer | undefined;
      return (served, path, sinceFirstMs) => {
        if (!HIGH_PLAYLIST.test(path) || sinceFirstMs < 5000) return;
        frozen ??= served.body;
        if (sinceFirstMs < 9000) served.body = frozen;
      };
    })(),
  },
  {
    name: 'a segment that is renamed',
    rule: 'H-4',
    mutation: replace(HIGH_PLAYLIST, `\n${k(4)}.m4s`, `\n${k(4)}.m4s?v=2`, LATER_MS),
  },
  {
    name: 'a duration that is corrected later',
    rule: 'H-4',
    mutation: replace(HIGH_PLAYLIST, `EXTINF:1.000000,\n${k(4)}`, `EXTINF:1.000001,\n${k(4)}`, LATER_MS),
  },
  {
    name: 'a last segment that is taken back',
    rule: 'H-4',
    mutation: text(HIGH_PLAYLIST, (body, at) =>
      at > 6500 && at < 7500 ? body.split('\n').slice(0, -4).join('\n') : body,
    ),
  },
  {
    name: 'a version that goes down while only gaps are listed',
    rule: 'H-4',
    mutation: replace(HIGH_PLAYLIST, 'VERSION:6', 'VERSION:3', LATER_MS),
  },
  {
    name: 'independent segments that are announced later',
    rule: 'H-4',
    mutation: replace(HIGH_PLAYLIST, '#EXTM3U\n', '#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n', LATER_MS),
  },
  {
    name: 'a gap that loses its init segment with the media in front of it',
    rule: 'H-4',
    mutation: text(HIGH_PLAYLIST, (body) => {
      const numbers = [...body.matchAll(/\n(17\d+)\.m4s/g)].map(([, number]) => Number(number));
      const gaps = body.replaceAll(/#EXTINF.*\n(17\d+)\.m4s/g, (entry, number) =>
        Number(number) < k(3) ? entry : `#EXT-X-GAP\n${entry}`,
      );
      return (numbers[0] ?? 0) < k(3) ? gaps : gaps.replace(/#EXT-X-MAP.*init-0.*\n/, '');
    }),
  },
  {
    name: 'a media sequence number that restarts',
    rule: 'H-5',
    mutation: replace(HIGH_PLAYLIST, /MEDIA-SEQUENCE:17\d+/g, 'MEDIA-SEQUENCE:0', LATER_MS),
  },
  {
    name: 'a media sequence number behind the first segment',
    rule: 'H-5',
    mutation: text(HIGH_PLAYLIST, (body) => {
      const tag = /#EXT-X-MEDIA-SEQUENCE:\d+\n/.exec(body)?.[0] ?? '';
      return body.replace(tag, '').replace('.m4s\n', `.m4s\n${tag}`);
    }),
  },
  {
    name: 'a window that slides faster than anybody can follow',
    rule: 'H-5',
    mutation: text(HIGH_PLAYLIST, (body, at) =>
      at < LATER_MS
        ? body
        : body.replace(/MEDIA-SEQUENCE:(\d+)/, (_, n) => `MEDIA-SEQUENCE:${Number(n) + 20}`),
    ),
  },
  {
    name: 'no discontinuity sequence number',
    rule: 'H-6',
    mutation: replace(MEDIA_PLAYLIST, /#EXT-X-DISCONTINUITY-SEQUENCE:\d+\n/g, ''),
  },
  {
    name: 'a discontinuity sequence number that stays',
    rule: 'H-6',
    mutation: replace(HIGH_PLAYLIST, /DISCONTINUITY-SEQUENCE:\d/g, 'DISCONTINUITY-SEQUENCE:0'),
  },
  {
    name: 'a discontinuity that one rendition does not have',
    rule: 'H-6',
    mutation: replace(HIGH_PLAYLIST, '#EXT-X-DISCONTINUITY\n', ''),
  },
  {
    name: 'another init segment without a discontinuity',
    rule: 'H-7',
    mutation: replace(MEDIA_PLAYLIST, '#EXT-X-DISCONTINUITY\n', ''),
  },
  {
    name: 'a window that is cut too short',
    rule: 'H-8',
    mutation: text(HIGH_PLAYLIST, (body, at) => {
      if (at < LATER_MS) return body;
      const [head = '', ...rest] = body.split(/(?=#EXT-X-PROGRAM)/);
      return (
        head.replace(/SEQUENCE:(17\d+)/, (_, n) => `SEQUENCE:${Number(n) + rest.length - 2}`) +
        rest.slice(-2).join('')
      );
    }),
  },
  {
    name: 'a segment that is gone as soon as it is removed',
    rule: 'H-8',
    mutation: object(segment('high', 8), (served) => void (served.status = 410), 15_000),
  },
  {
    name: 'a listed segment that is not there',
    rule: 'H-9',
    mutation: object(segment('high', 5), (served) => void (served.status = 404)),
  },
  {
    name: 'a segment that is cut off',
    rule: 'H-9',
    mutation: media(segment('high', 5), (bytes) => bytes.subarray(0, -100)),
  },
  { name: 'no date', rule: 'H-10', mutation: replace(HIGH_PLAYLIST, /#EXT-X-PROGRAM.*\n/g, '') },
  { name: 'a date without a zone', rule: 'H-10', mutation: replace(HIGH_PLAYLIST, /Z\n/g, '\n') },
  {
    name: 'a date that jumps',
    rule: 'H-10',
    mutation: text(MEDIA_PLAYLIST, (body) =>
      body.replace(
        new RegExp(`(DATE-TIME:.*:)(\\d\\d)(\\.\\d+Z\\n#EXTINF.*\\n${k(5)})`),
        (_, a, _b, c) => `${a}59${c}`,
      ),
    ),
  },
  {
    name: 'dates that differ between renditions',
    rule: 'H-10',
    mutation: text(HIGH_PLAYLIST, (body) => body.replaceAll('.000Z', '.040Z')),
  },
  { name: 'no init segment', rule: 'H-11', mutation: replace(HIGH_PLAYLIST, /#EXT-X-MAP.*\n/g, '') },
  {
    name: 'nobody says that segments are independent',
    rule: 'H-11',
    mutation: replace(MULTIVARIANT, '#EXT-X-INDEPENDENT-SEGMENTS\n', ''),
  },
  {
    name: 'a segment that begins without an IDR',
    rule: 'H-11',
    // trun: version and flags, count, data offset, then first_sample_flags.
    mutation: media(segment('high', 4), patch('trun', 12, 0x01010000)),
  },
  {
    name: 'a version above what the tags need',
    rule: 'H-12',
    mutation: replace(MEDIA_PLAYLIST, 'VERSION:6', 'VERSION:9'),
  },
  {
    name: 'a live playlist of a type',
    rule: 'H-13',
    mutation: replace(HIGH_PLAYLIST, '#EXTM3U\n', '#EXTM3U\n#EXT-X-PLAYLIST-TYPE:EVENT\n'),
  },
  {
    name: 'a segment after the end',
    rule: 'H-13',
    mutation: text(HIGH_PLAYLIST, (body, at) => (at > 6000 && at < 6500 ? `${body}#EXT-X-ENDLIST\n` : body)),
  },
  {
    name: 'a wrong MIME type',
    rule: 'H-20',
    mutation: object(HIGH_PLAYLIST, (served) => void (served.headers['content-type'] = 'text/plain')),
  },
  { name: 'a byte order mark', rule: 'H-20', mutation: replace(HIGH_PLAYLIST, '#EXTM3U', '\uFEFF#EXTM3U') },
  {
    name: 'a segment with a dishonest extension',
    rule: 'H-20',
    mutation: replace(HIGH_PLAYLIST, /\.m4s/g, '.m4s/index.php'),
  },
  {
    name: 'a playlist that is refused in mid-stream',
    rule: 'O-4',
    mutation: object(HIGH_PLAYLIST, (served) => void (served.status = 404), 8000),
  },
  {
    name: 'a multivariant playlist that is refused in mid-stream',
    rule: 'O-4',
    mutation: object(MULTIVARIANT, (served) => void (served.status = 401), 8000),
  },
];

const multivariant: readonly MutationCase[] = [
  {
    name: 'a bandwidth that is too low',
    rule: 'M-1',
    mutation: replace(MULTIVARIANT, /BANDWIDTH=\d+/g, 'BANDWIDTH=30000'),
  },
  {
    name: 'no average bandwidth',
    rule: 'M-1',
    mutation: replace(MULTIVARIANT, /AVERAGE-BANDWIDTH=\d+,/g, ''),
  },
  {
    name: 'an average above the peak',
    rule: 'M-1',
    mutation: replace(MULTIVARIANT, /AVERAGE-BANDWIDTH=\d+/g, 'AVERAGE-BANDWIDTH=99999999'),
  },
  { name: 'codecs that leave the audio out', rule: 'M-2', mutation: replace(MULTIVARIANT, ',mp4a.40.2', '') },
  {
    name: 'codecs of another level',
    rule: 'M-2',
    mutation: replace(MULTIVARIANT, /avc1\.\w+/g, 'avc1.640033'),
  },
  {
    name: 'another resolution',
    rule: 'M-2',
    mutation: replace(MULTIVARIANT, 'RESOLUTION=160x90', 'RESOLUTION=160x92'),
  },
  { name: 'no resolution', rule: 'M-2', mutation: replace(MULTIVARIANT, /RESOLUTION=\d+x\d+,/g, '') },
  {
    name: 'a frame rate that is too low',
    rule: 'M-2',
    mutation: replace(MULTIVARIANT, 'FRAME-RATE=10', 'FRAME-RATE=9'),
  },
  { name: 'audio without a language', rule: 'M-3', mutation: replace(MULTIVARIANT, 'LANGUAGE="und",', '') },
  {
    name: 'a group that nobody defines',
    rule: 'M-3',
    mutation: replace(MULTIVARIANT, ',AUDIO="a"', ',AUDIO="b"'),
  },
  {
    name: 'nothing about captions',
    rule: 'M-4',
    mutation: replace(MULTIVARIANT, /,CLOSED-CAPTIONS=NONE/g, ''),
  },
  {
    name: 'a multivariant playlist that changes',
    rule: 'M-5',
    mutation: replace(MULTIVARIANT, 'NAME="Audio"', 'NAME="Sound"', LATER_MS),
  },
  {
    name: 'numbers that differ between renditions',
    rule: 'M-5',
    mutation: text(HIGH_PLAYLIST, (body) =>
      body.replaceAll(/\n(17\d+)\.m4s/g, (_, n) => `\n${Number(n) - 1}.m4s`),
    ),
  },
];

const fragments: readonly MutationCase[] = [
  { name: 'a tick too much', rule: 'C-1', mutation: media(segment('high', 5), moveTfdt(1n)) },
  { name: 'a tick too little in audio', rule: 'C-1', mutation: media(segment('audio', 5), moveTfdt(-1n)) },
  {
    name: 'a sample that is shorter',
    rule: 'C-1',
    mutation: media(segment('low', 5), patch('tfhd', 12, 8999)),
  },
  {
    name: 'samples that the mdat does not hold',
    rule: 'C-1',
    mutation: media(segment('high', 5), (bytes) => {
      const at = bytes.indexOf('trun') + 20;
      bytes.writeUInt32BE(bytes.readUInt32BE(at) + 1, at);
      return bytes;
    }),
  },
  {
    name: 'boundaries that differ between renditions',
    rule: 'C-2',
    mutation: media(segment('low', 5), moveTfdt(9000n)),
  },
  { name: 'audio that begins late', rule: 'C-4', mutation: media(segment('audio', 5), moveTfdt(9600n)) },
  { name: 'a segment off the grid', rule: 'grid', mutation: media(segment('high', 5), moveTfdt(-9000n)) },
  {
    name: 'an init segment with an old brand',
    rule: 'H-18',
    mutation: media(/init-0\.mp4$/, (bytes) => {
      bytes.fill('isom', 8, 12);
      bytes.fill('isom', 16, bytes.readUInt32BE(0), 'latin1');
      return bytes;
    }),
  },
  // mvhd: version and flags, creation, modification, timescale, then duration.
  {
    name: 'an init segment with a duration',
    rule: 'H-18',
    mutation: media(/init-0\.mp4$/, patch('mvhd', 16, 1000)),
  },
  {
    name: 'an init segment without mvex',
    rule: 'H-18',
    mutation: media(/init-0\.mp4$/, (bytes) => {
      bytes.write('free', bytes.indexOf('mvex'));
      return bytes;
    }),
  },
  {
    name: 'a fragment of another track',
    rule: 'H-18',
    mutation: media(segment('high', 5), patch('tfhd', 4, 7)),
  },
  {
    name: 'addresses from the start of the file',
    rule: 'H-18',
    mutation: media(segment('high', 5), (bytes) => {
      const at = bytes.indexOf('tfhd') + 4;
      bytes.writeUInt32BE(bytes.readUInt32BE(at) & ~0x20000, at);
      return bytes;
    }),
  },
  {
    name: 'a TS segment with a jump of a continuity counter',
    rule: 'H-17',
    mutation: media(segment('high', 5, 'ts'), (bytes) =>
      Buffer.concat([bytes.subarray(0, 188 * 5), bytes.subarray(188 * 6)]),
    ),
  },
  {
    name: 'a TS segment without tables in front',
    rule: 'H-17',
    mutation: media(segment('high', 5, 'ts'), (bytes) => bytes.subarray(376)),
  },
  {
    name: 'a TS segment with half a packet',
    rule: 'H-17',
    mutation: media(segment('high', 5, 'ts'), (bytes) => bytes.subarray(0, -10)),
  },
  {
    name: 'a picture that cannot be decoded',
    rule: 'decode',
    isDecoding: true,
    mutation: media(segment('high', 5), (bytes) =>
      bytes.fill(0x5a, bytes.indexOf('mdat') + 60, bytes.length - 40),
    ),
  },
  {
    name: 'sound that cannot be decoded',
    rule: 'decode',
    isDecoding: true,
    mutation: media(segment('audio', 5), (bytes) => bytes.fill(0x5a, bytes.lastIndexOf('mdat') + 4)),
  },
  {
    name: 'TS sound far from its picture',
    rule: 'sync',
    isDecoding: true,
    mutation: media(/^media\/high\/\d+\.ts$/, (bytes) => delayAudio(bytes, 45_000)),
  },
];

/** Moves the 33-bit PTS of every PES packet of audio. */
function delayAudio(bytes: Buffer, ticks: number): Buffer {
  for (let start = 0; start < bytes.length; start += 188) {
    const pes = bytes.subarray(start, start + 188).indexOf(Buffer.from([0, 0, 1, 0xc0]));
    if (pes < 0) continue;
    const at = start + pes + 9;
    const read = (offset: number): number => bytes.readUInt8(at + offset);
    const high = (read(0) >> 1) & 7;
    const low = (((read(1) << 8) | read(2)) >> 1) * 0x8000 + (((read(3) << 8) | read(4)) >> 1);
    const moved = high * 2 ** 30 + low + ticks;
    bytes.writeUInt8((read(0) & 0xf1) | ((Math.floor(moved / 2 ** 30) & 7) << 1), at);
    bytes.writeUInt16BE(((Math.floor(moved / 0x8000) & 0x7fff) << 1) | 1, at + 1);
    bytes.writeUInt16BE(((moved & 0x7fff) << 1) | 1, at + 3);
  }
  return bytes;
}

const dash: readonly MutationCase[] = [
  {
    name: 'no availabilityStartTime',
    rule: 'T-1',
    mutation: replace(MPDS, / availabilityStartTime="[^"]+"/g, ''),
  },
  { name: 'no publishTime', rule: 'T-1', mutation: replace(MPDS, / publishTime="[^"]+"/g, '') },
  { name: 'no UTCTiming', rule: 'T-1', mutation: replace(MPDS, /<UTCTiming.*\/>\n/g, '') },
  {
    name: 'a clock that is wrong',
    rule: 'T-1',
    mutation: text(/^time$/, (body) => new Date(Date.parse(body) + 5000).toISOString()),
  },
  {
    name: 'a longest segment that grows',
    rule: 'T-1',
    mutation: replace(MPDS, 'maxSegmentDuration="PT1.1S"', 'maxSegmentDuration="PT1.2S"', LATER_MS),
  },
  {
    name: 'a publishTime that stays',
    rule: 'T-1',
    mutation: replace(MPDS, /publishTime="[^"]+"/g, 'publishTime="2023-11-14T22:13:20Z"'),
  },
  {
    name: 'an id that changes',
    rule: 'T-2',
    mutation: replace(MPDS, 'id="fixture"', 'id="other"', LATER_MS),
  },
  {
    name: 'an availabilityStartTime that changes',
    rule: 'T-2',
    mutation: replace(MPDS, '1970-01-01T00:00:00Z', '1970-01-01T00:00:00.010Z', LATER_MS),
  },
  {
    name: 'a Period that moves',
    rule: 'T-2',
    mutation: replace(MPDS, `start="PT${k(0)}S"`, `start="PT${k(0)}.5S"`, LATER_MS),
  },
  { name: 'codecs that change', rule: 'T-2', mutation: replace(MPDS, /avc1\.\w+/g, 'avc1.640033', LATER_MS) },
  {
    name: 'a set without an id',
    rule: 'T-2',
    mutation: replace(MPDS, '<AdaptationSet id="1" ', '<AdaptationSet '),
  },
  {
    name: 'a hole in the timeline',
    rule: 'T-4',
    mutation: replace(TIMELINE, new RegExp(`<S t="${k(4) * 90_000}" d="\\d+"/>`, 'g'), ''),
  },
  {
    name: 'a segment that is corrected later',
    rule: 'T-4',
    mutation: replace(
      TIMELINE,
      `<S t="${k(4) * 90_000}" d="90000"/>`,
      `<S t="${k(4) * 90_000}" d="89999"/>`,
      LATER_MS,
    ),
  },
  {
    name: 'a last segment that is taken back',
    rule: 'T-4',
    mutation: text(TIMELINE, (body, at) =>
      at < 6500 ? body : body.replaceAll(/<S [^>]+><\/SegmentTimeline>/g, '</SegmentTimeline>'),
    ),
  },
  {
    name: 'a timeline that runs beyond its Period',
    rule: 'T-4',
    mutation: replace(TIMELINE, 'duration="PT7S"', 'duration="PT5S"'),
  },
  {
    name: 'an empty Period',
    rule: 'T-4',
    mutation: replace(MPDS, '<UTCTiming', '<Period id="p9" start="PT1700000900S"></Period><UTCTiming'),
  },
  {
    name: 'both ways to address',
    rule: 'T-4',
    mutation: replace(TIMELINE, ' startNumber', ' duration="90000" startNumber'),
  },
  {
    name: 'segments that are listed long before players may ask',
    rule: 'T-5',
    mutation: replace(
      TIMELINE,
      'availabilityStartTime="1970-01-01T00:00:00Z"',
      'availabilityStartTime="1970-01-01T00:00:05Z"',
    ),
  },
  {
    name: 'a segment that is available and not there',
    rule: 'T-5',
    mutation: object(segment('high', 5), (served) => void (served.status = 404)),
  },
  {
    name: 'a clock that promises segments early',
    rule: 'T-5',
    mutation: replace(
      /^number\.mpd$/,
      'availabilityStartTime="1970-01-01T00:00:00Z"',
      'availabilityStartTime="1969-12-31T23:59:58Z"',
    ),
  },
  {
    name: 'a static MPD that is to be updated',
    rule: 'T-6',
    mutation: replace(MPDS, 'type="static"', 'type="static" minimumUpdatePeriod="PT1S"'),
  },
  {
    name: 'an MPD that is refused in mid-stream',
    rule: 'T-6',
    mutation: object(MPDS, (served) => void (served.status = 404), 8000),
  },
  {
    name: 'an S that is not what the media says',
    rule: 'C-4',
    mutation: replace(TIMELINE, `t="${k(3) * 90_000}"`, `t="${k(3) * 90_000 - 5}"`),
  },
  {
    name: 'numbers that are off by one',
    rule: 'C-4',
    mutation: replace(/^number\.mpd$/, /startNumber="(\d+)"/g, `startNumber="${k(-1)}"`),
  },
  {
    name: 'boundaries that differ in a set',
    rule: 'C-2',
    mutation: replace(TIMELINE, /(<Representation id="low".*?)d="90000"/g, '$1d="90001"'),
  },
  { name: 'an MPD that is no XML', rule: 'T-12', mutation: replace(MPDS, '</MPD>', '</MDP>', LATER_MS) },
];

const header = (path: RegExp, name: string, value: string | undefined): Mutation =>
  object(path, (served) => {
    if (value === undefined) served.headers['x-plain'] = '1';
    else served.headers[name] = value;
  });

const delivery: readonly MutationCase[] = [
  {
    name: 'a playlist that is not compressed',
    rule: 'O-2',
    mutation: header(HIGH_PLAYLIST, 'content-encoding', undefined),
  },
  { name: 'a weak ETag', rule: 'O-2', mutation: header(HIGH_PLAYLIST, 'etag', 'W/"1"') },
  {
    name: 'an ETag that is new each time',
    rule: 'O-2',
    mutation: object(HIGH_PLAYLIST, (served) => void (served.headers['etag'] = `"${Math.random()}"`)),
  },
  {
    name: 'nothing for other origins',
    rule: 'O-3',
    mutation: header(HIGH_PLAYLIST, 'access-control-allow-origin', 'http://me.example'),
  },
  {
    name: 'nothing exposed',
    rule: 'O-3',
    mutation: header(/\.m4s$/, 'access-control-expose-headers', 'Date'),
  },
  {
    name: 'a playlist that no cache may keep',
    rule: 'O',
    mutation: header(HIGH_PLAYLIST, 'cache-control', 'no-cache'),
  },
  { name: 'media that caches drop', rule: 'O', mutation: header(/\.m4s$/, 'cache-control', 'max-age=1') },
  {
    name: 'an error that caches keep',
    rule: 'O',
    mutation: header(/no-such/, 'cache-control', 'max-age=60'),
  },
  { name: 'a cookie', rule: 'O', mutation: header(MULTIVARIANT, 'set-cookie', 'a=b') },
  { name: 'an age', rule: 'L-10', mutation: header(HIGH_PLAYLIST, 'age', '1') },
  {
    name: 'a redirect',
    rule: 'H-9',
    mutation: object(segment('high', 5), (served) => {
      served.status = 302;
      served.headers['location'] = `${k(4)}.m4s`;
    }),
  },
  {
    name: 'a segment of the future that is there',
    rule: 'T-7',
    mutation: object(/\/17000000(?:5\d|6\d)\.m4s$/, (served) => void (served.status = 200)),
  },
];

/** Every way to break the HLS of a presentation. */
export const HLS_MUTATIONS: readonly MutationCase[] = [
  ...playlists,
  ...multivariant,
  ...fragments,
  ...delivery,
];

/** Every way to break its MPDs. */
export const DASH_MUTATIONS: readonly MutationCase[] = dash;
