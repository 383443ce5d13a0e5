import { AgreementRules } from './agreement-rules.ts';
import { decodeRuns } from './decode-runs.ts';
import type { DecodedRun } from './decode-runs.ts';
import { checkAbsence, checkMediaDelivery, checkPlaylistDelivery } from './delivery-rules.ts';
import { numberInName } from './grid-rules.ts';
import type { SegmentDuration } from './grid-rules.ts';
import { HttpClient } from './http-client.ts';
import { Library } from './library.ts';
import { MpdFollower } from './mpd-follower.ts';
import { checkMultivariant, readMultivariant } from './multivariant.ts';
import type { MultivariantPlaylist } from './multivariant.ts';
import { RenditionFollower } from './rendition-follower.ts';
import type { FollowerContext } from './rendition-follower.ts';
import { Report } from './report.ts';
import { Spool } from './spool.ts';
import { realTiming } from './timing.ts';
import type { Timing } from './timing.ts';
import { checkVariants } from './variant-rules.ts';
import type { RenditionVerdict, Verdict } from './verdict.ts';

/** How far an observation is. */
export interface Progress {
  readonly elapsedMs: number;
  /** Segments of the rendition that has fewest, gaps included; 0 before there is any rendition. */
  readonly segments: number;
  /** Discontinuities of the rendition that has fewest. */
  readonly discontinuities: number;
  readonly gaps: number;
  /** Every playlist has its EXT-X-ENDLIST, and every MPD is static. */
  readonly isEnded: boolean;
}

/** What is observed, and for how long. */
export interface ObserveOptions {
  /** Multivariant playlists. */
  readonly hls?: readonly string[];
  readonly dash?: readonly string[];
  /** Asked after each look; the observation ends when it says true. */
  readonly until: (progress: Progress) => boolean;
  /** The observation gives up after this; default 120 s. */
  readonly deadlineMs?: number;
  /** Pause between two looks; default 250 ms. */
  readonly lookMs?: number;
  /** With it, numbers and boundaries are held to the grid. */
  readonly segmentDuration?: SegmentDuration;
  /** Whether an encoder is sending now; while it does not, playlists may stand still (H-3). By default it always is. */
  readonly isContinuous?: () => boolean;
  /** False leaves decoding out. */
  readonly isDecoding?: boolean;
  /** Bound of temporary files; default 512 MiB. */
  readonly maxSpoolBytes?: number;
  readonly signal?: AbortSignal;
  readonly timing?: Timing;
}

interface Presentation {
  readonly url: string;
  playlist: MultivariantPlaylist | undefined;
  readonly followers: Map<string, RenditionFollower>;
  readonly agreement: AgreementRules;
}

const DEFAULT_DEADLINE_MS = 120_000;
const DEFAULT_LOOK_MS = 250;
const DEFAULT_SPOOL_BYTES = 512 * 1024 * 1024;
const DECODE_TIMEOUT_MS = 120_000;
/** H-8 in the least: three target durations of window and the segment itself. */
const MIN_LIFETIME_TARGET_DURATIONS = 4;
const FAR_FUTURE = 50;

/**
 * Sees what a player sees: follows every rendition of every presentation, holds each revision and each object to the rules
 * of HLS, DASH, CMAF and HTTP, and at the end decodes what was served.
 *
 * Never throws for what was served: everything that is wrong is a violation of the verdict.
 */
export async function observe(options: ObserveOptions): Promise<Verdict> {
  const timing = options.timing ?? realTiming;
  const lookMs = options.lookMs ?? DEFAULT_LOOK_MS;
  const report = new Report();
  const client = new HttpClient();
  const library = new Library(client, report);
  const spool = new Spool(options.maxSpoolBytes ?? DEFAULT_SPOOL_BYTES);
  const context: FollowerContext = {
    library,
    report,
    spool,
    timing,
    segmentDuration: options.segmentDuration,
    lookMs,
    isContinuous: options.isContinuous ?? (() => true),
  };
  const presentations: Presentation[] = (options.hls ?? []).map((url) => ({
    url,
    playlist: undefined,
    followers: new Map(),
    agreement: new AgreementRules(report),
  }));
  const mpds = (options.dash ?? []).map((url) => new MpdFollower(url, context, presentations.length === 0));
  const deliveries = new Set<string>();
  const startedMs = timing.now();
  const deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
  const signal = options.signal ?? new AbortController().signal;
  try {
    let isComplete = false;
    while (!signal.aborted && timing.now() - startedMs < deadlineMs) {
      await Promise.all(presentations.map((presentation) => look(presentation, context)));
      await Promise.all(mpds.map((mpd) => mpd.reload()));
      await checkDeliveries(presentations, mpds, deliveries, context);
      isComplete = options.until(progressOf(presentations, mpds, timing.now() - startedMs));
      if (isComplete) break;
      await timing.sleep(lookMs, signal);
    }
    const seconds = (timing.now() - startedMs) / 1000;
    const variants = presentations.flatMap(({ playlist, followers }) =>
      playlist === undefined ? [] : checkVariants(playlist, followers, report),
    );
    const decoded =
      options.isDecoding === false
        ? []
        : await decodeRuns(spool.runs, report, { timeoutMs: DECODE_TIMEOUT_MS });
    return {
      isComplete,
      seconds,
      variants,
      ...sum(presentations, mpds, decoded),
      violations: report.violations,
      violationCount: report.count,
    };
  } finally {
    client.close();
    spool.remove();
  }
}

/** One look at a presentation: its multivariant playlist, then all its renditions side by side. */
async function look(presentation: Presentation, context: FollowerContext): Promise<void> {
  const { library, report } = context;
  const { followers, agreement } = presentation;
  const known = [...followers.values()];
  const isOver = known.length > 0 && known.every(({ playlist }) => playlist?.isEnded === true);
  if (!isOver) {
    const { status, body } = await library.ask(presentation.url);
    const text = body.toString('utf8');
    if (status !== 200) {
      report.expect(
        presentation.playlist === undefined || status === 0,
        'O-4',
        presentation.url,
        `the multivariant playlist was answered with ${status} after it had been served`,
      );
    } else if (presentation.playlist === undefined) {
      presentation.playlist = readMultivariant(presentation.url, text);
      checkMultivariant(presentation.playlist, presentation.url, report);
      const { variants, audio } = presentation.playlist;
      for (const { url } of [...variants, ...audio]) {
        if (!followers.has(url)) followers.set(url, new RenditionFollower(url, context));
      }
    } else {
      report.expect(
        text === presentation.playlist.text,
        'M-5',
        presentation.url,
        'the multivariant playlist changed while its session was live',
      );
    }
  }
  await Promise.all([...followers.values()].map((follower) => follower.reload()));
  agreement.check([...followers.values()]);
  for (const follower of followers.values()) checkIndependence(presentation, follower, report);
}

/** H-11: said in the multivariant playlist, or in every video playlist. */
function checkIndependence({ playlist }: Presentation, follower: RenditionFollower, report: Report): void {
  if (playlist === undefined || follower.playlist === undefined) return;
  report.expect(
    playlist.hasIndependentSegments || follower.playlist.text.includes('#EXT-X-INDEPENDENT-SEGMENTS'),
    'H-11',
    follower.label,
    'EXT-X-INDEPENDENT-SEGMENTS is neither in the multivariant playlist nor here',
  );
}

/** Looks once at how each kind of object is delivered, as soon as there is one. */
async function checkDeliveries(
  presentations: readonly Presentation[],
  mpds: readonly MpdFollower[],
  done: Set<string>,
  { library, report }: FollowerContext,
): Promise<void> {
  const once = async (url: string, check: () => Promise<void>): Promise<void> => {
    if (done.has(url)) return;
    done.add(url);
    await check();
  };
  const playlist = (url: string): Promise<void> =>
    once(url, () => checkPlaylistDelivery(url, library, report));
  for (const { url, playlist: multivariant, followers } of presentations) {
    if (multivariant !== undefined) await playlist(url);
    for (const follower of followers.values()) {
      const last = [...follower.segments.values()].findLast(({ listed }) => !listed.isGap)?.listed;
      if (last === undefined || done.has(follower.url)) continue;
      await playlist(follower.url);
      const lifetime = MIN_LIFETIME_TARGET_DURATIONS * (follower.playlist?.targetDuration ?? 0);
      await checkMediaDelivery(last.url, lifetime, library, report);
      if (last.mapUrl !== undefined) await checkMediaDelivery(last.mapUrl, lifetime, library, report);
      await checkAbsence(new URL('no-such-object.m4s', last.url).href, [404], library, report);
      const number = numberInName(last.url);
      if (number === undefined) continue;
      const future = last.url.replace(`/${number}.`, `/${number + FAR_FUTURE}.`);
      await checkAbsence(future, [404, 425], library, report);
    }
  }
  for (const { url, mpd } of mpds) if (mpd !== undefined) await playlist(url);
}

function progressOf(
  presentations: readonly Presentation[],
  mpds: readonly MpdFollower[],
  elapsedMs: number,
): Progress {
  const followers = presentations.flatMap((presentation) => [...presentation.followers.values()]);
  const least = (of: (follower: RenditionFollower) => number): number =>
    followers.length === 0 ? 0 : Math.min(...followers.map(of));
  const hasAll = presentations.every(({ followers: known }) => known.size > 0);
  const mpdSegments = mpds.map(({ segmentCount }) => segmentCount);
  return {
    elapsedMs,
    segments: !hasAll
      ? 0
      : presentations.length === 0
        ? Math.min(...mpdSegments)
        : least(({ segmentCount, gapCount }) => segmentCount + gapCount),
    discontinuities: least(({ discontinuityCount }) => discontinuityCount),
    gaps: followers.reduce((total, { gapCount }) => total + gapCount, 0),
    isEnded:
      hasAll &&
      followers.every(({ playlist }) => playlist?.isEnded === true) &&
      mpds.every(({ mpd }) => mpd?.type === 'static'),
  };
}

function sum(
  presentations: readonly Presentation[],
  mpds: readonly MpdFollower[],
  decoded: readonly DecodedRun[],
): Omit<Verdict, 'isComplete' | 'seconds' | 'variants' | 'violations' | 'violationCount'> {
  const renditions = presentations
    .flatMap(({ followers }) => [...followers.values()])
    .map((follower) => renditionVerdict(follower, decoded));
  const total = (of: (rendition: RenditionVerdict) => number): number =>
    renditions.reduce((result, rendition) => result + of(rendition), 0);
  return {
    renditions,
    mpds: mpds.map((follower) => ({
      label: follower.label,
      url: follower.url,
      revisions: follower.revisionCount,
      periods: follower.periodIds.size,
      segments: follower.segmentCount,
      missingSegments: follower.missingCount,
      isStatic: follower.mpd?.type === 'static',
    })),
    segments: total(({ segments }) => segments),
    missingSegments:
      total(({ missingSegments }) => missingSegments) +
      mpds.reduce((result, { missingCount }) => result + missingCount, 0),
    discontinuities: Math.max(0, ...renditions.map(({ discontinuities }) => discontinuities)),
    gaps: total(({ gaps }) => gaps),
    tickErrors: total(({ tickErrors }) => tickErrors),
  };
}

function renditionVerdict(follower: RenditionFollower, decoded: readonly DecodedRun[]): RenditionVerdict {
  const own = decoded.filter(({ run }) => run.where.startsWith(`${follower.label} from `));
  const numbers = [...follower.segments.keys()];
  return {
    label: follower.label,
    url: follower.url,
    segments: follower.segmentCount,
    gaps: follower.gapCount,
    missingSegments: follower.missingCount,
    discontinuities: follower.discontinuityCount,
    tickErrors: follower.tickErrorCount,
    mediaSeconds: follower.mediaSeconds,
    frames: follower.samples > 0 ? follower.samples : own.reduce((total, { packets }) => total + packets, 0),
    framesPerSegment: follower.samplesPerSegment,
    decodedFrames: own.reduce((total, { frames }) => total + frames, 0),
    firstMsn: numbers[0],
    lastMsn: numbers.at(-1),
    isEnded: follower.playlist?.isEnded === true,
  };
}
