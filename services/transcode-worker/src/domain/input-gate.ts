import type { relay, session } from '@millrace/contracts';
import { parseFragment, ParseError } from '@millrace/media';

/** What is wrong with an access unit of ingest. */
export type InputFault =
  /** It is not one sample of its track with the decode time that it claims. */
  | 'malformed'
  /** It does not come after the one before it: ffmpeg would write garbage from there on. */
  | 'order'
  /** Its track is not one of the period's. */
  | 'unknown-track';

/** Ingest reorders and fills within seconds. */
const MAX_COMPOSITION_SECONDS = 60;

/** Lets through the access units of a subscription that ffmpeg and the packager can be given, and tells of the others. */
export class InputGate {
  readonly #tracks = new Map<number, session.Track>();
  readonly #newest = new Map<number, number>();
  readonly #onFault: (fault: InputFault, fragment: relay.Fragment) => void;

  constructor(
    tracks: readonly session.Track[],
    onFault: (fault: InputFault, fragment: relay.Fragment) => void,
  ) {
    for (const track of tracks) this.#tracks.set(track.trackId, track);
    this.#onFault = onFault;
  }

  /** The track of an access unit that was let through. */
  trackOf(fragment: relay.Fragment): session.Track | undefined {
    return this.#tracks.get(fragment.trackId);
  }

  /** Those that can be used, in their order. Never throws. */
  take(fragments: readonly relay.Fragment[]): readonly relay.Fragment[] {
    return fragments.filter((fragment) => {
      const fault = this.#judge(fragment);
      if (fault !== undefined) this.#onFault(fault, fragment);
      return fault === undefined;
    });
  }

  #judge(fragment: relay.Fragment): InputFault | undefined {
    const track = this.trackOf(fragment);
    if (track === undefined) return 'unknown-track';
    if (!isWellFormed(fragment, track.timescale)) return 'malformed';
    if (fragment.dts <= (this.#newest.get(fragment.trackId) ?? -1)) return 'order';
    this.#newest.set(fragment.trackId, fragment.dts);
    return undefined;
  }
}

function isWellFormed(fragment: relay.Fragment, timescale: number): boolean {
  const { dts, duration, compositionOffset, data } = fragment;
  const isInRange =
    Number.isSafeInteger(dts) &&
    dts >= 0 &&
    Number.isSafeInteger(duration) &&
    duration > 0 &&
    Number.isSafeInteger(compositionOffset) &&
    Math.abs(compositionOffset) <= MAX_COMPOSITION_SECONDS * timescale &&
    Number.isSafeInteger(dts + duration) &&
    dts + compositionOffset >= 0;
  if (!isInRange) return false;
  try {
    const { baseMediaDecodeTime, samples } = parseFragment(data);
    return baseMediaDecodeTime === dts && samples.length === 1 && (samples[0]?.data.length ?? 0) > 0;
  } catch (error) {
    if (error instanceof ParseError) return false;
    throw error;
  }
}
