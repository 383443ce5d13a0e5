import { describe, expect, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import { marshalMpd } from '@millrace/media';
import { parse } from 'mpd-parser';
import { FIRST_K, presentationOf, recordOf, rowsOf } from '../testing/session-data.ts';
import { presentationMpd } from './presentation-mpd.ts';
import { emptyView, withRows } from './session-view.ts';

/** What this test uses of the package's answer, which ships no types of its own. */
interface ParsedMpd {
  readonly minimumUpdatePeriod?: number;
  readonly playlists: readonly {
    readonly endList: boolean;
    readonly attributes: {
      readonly NAME: string;
      readonly BANDWIDTH: number;
      readonly RESOLUTION?: { width: number };
    };
    readonly segments: readonly {
      readonly resolvedUri: string;
      readonly duration: number;
      readonly map: { readonly resolvedUri: string };
    }[];
  }[];
  readonly mediaGroups: { readonly AUDIO: Readonly<Record<string, unknown>> };
}

const RECORD = recordOf();
const media = `http://example.test/media/${RECORD.sessionId}`;

function parsed(form: 'timeline' | 'number', state: session.SessionState): ParsedMpd {
  const view = withRows(emptyView({ ...RECORD, state }), rowsOf(FIRST_K, 4));
  return parse(marshalMpd(presentationMpd(view, presentationOf(), form)), {
    manifestUri: 'http://example.test/play/news/manifest.mpd',
    NOW: (FIRST_K + 4) * 2000 + 300,
  }) as unknown as ParsedMpd;
}

describe('mpd-parser reads the MPD', () => {
  test('T-3, T-5: a live timeline with every listed segment', () => {
    const mpd = parsed('timeline', session.SessionState.LIVE);
    expect(mpd.playlists[0]?.endList).toBe(false);
    expect(mpd.minimumUpdatePeriod).toBe(2000);
    expect(mpd.playlists.map(({ attributes }) => [attributes.NAME, attributes.RESOLUTION?.width])).toEqual([
      ['720p', 1280],
      ['360p', 640],
    ]);
    expect(mpd.playlists[0]?.segments.map(({ resolvedUri }) => resolvedUri)).toEqual(
      [0, 1, 2, 3].map((index) => `${media}/720p/${FIRST_K + index}.m4s`),
    );
    expect(mpd.playlists[0]?.segments[0]).toMatchObject({
      duration: 2,
      map: { resolvedUri: `${media}/720p/init-0.mp4` },
    });
    expect(Object.keys(mpd.mediaGroups.AUDIO)).toHaveLength(1);
  });

  test('a static timeline at the end', () => {
    const mpd = parsed('timeline', session.SessionState.ENDED);
    expect(mpd.playlists[0]?.endList).toBe(true);
    expect(mpd.playlists[0]?.segments).toHaveLength(4);
  });

  test('the $Number$ form names the same segments', () => {
    const uris = parsed('number', session.SessionState.ENDED).playlists[0]?.segments.map(
      (each) => each.resolvedUri,
    );
    expect(uris).toEqual([0, 1, 2, 3].map((index) => `${media}/720p/${FIRST_K + index}.m4s`));
  });
});
