import { checkGrid } from './grid-rules.ts';
import type { SegmentDuration } from './grid-rules.ts';
import type { Library } from './library.ts';
import { readMediaPlaylist } from './media-playlist.ts';
import type { ListedSegment, MediaPlaylist } from './media-playlist.ts';
import { checkMediaPlaylist } from './media-playlist-rules.ts';
import type { InitFacts, SegmentFacts } from './media-segment.ts';
import { checkPlaylistMutation } from './playlist-mutation-rules.ts';
import { RemovalRules } from './removal-rules.ts';
import type { Report } from './report.ts';
import type { Run, Spool } from './spool.ts';
import type { Timing } from './timing.ts';
import { checkTsSegment } from './ts-segment.ts';
import type { ContinuityCounters } from './ts-segment.ts';

/** A segment that was followed. */
export interface FollowedSegment {
  readonly listed: ListedSegment;
  readonly init: InitFacts | undefined;
  /** Unset for a GAP, MPEG-TS, and what could not be read. */
  readonly facts: SegmentFacts | undefined;
  readonly bytes: number;
  /** When it appeared in the playlist; unset for what was there at the first look. */
  readonly seenMs: number | undefined;
}

/** What followers share. */
export interface FollowerContext {
  readonly library: Library;
  readonly report: Report;
  readonly spool: Spool;
  readonly timing: Timing;
  readonly segmentDuration: SegmentDuration | undefined;
  /** Pause between two looks. */
  readonly lookMs: number;
  /** Whether an encoder is sending now; while it does not, playlists may stand still. */
  readonly isContinuous: () => boolean;
}

const MAX_KEPT = 300;
/** EXTINF against the media: six decimals, and half a tick of rounding. */
const MAX_EXTINF_ERROR_SECONDS = 0.001;
/** H-10: how far the estimate of the encoder's clock may correct itself from one segment to the next. */
const MAX_PDT_DRIFT_MS = 500;
/** Besides a look, what H-3 grants a busy machine. */
const BUSY_MACHINE_MS = 750;
const NEW_SEGMENT_TARGET_DURATIONS = 1.5;

/** Follows one media playlist, reload by reload, and everything that it lists. */
export class RenditionFollower {
  readonly url: string;
  /** The last two names of the path: `720p/index`. */
  readonly label: string;
  /** By media sequence number; the recent ones. */
  readonly segments = new Map<number, FollowedSegment>();
  playlist: MediaPlaylist | undefined;
  /** Segments that hold media and came. */
  segmentCount = 0;
  gapCount = 0;
  missingCount = 0;
  discontinuityCount = 0;
  tickErrorCount = 0;
  mediaSeconds = 0;
  mediaBytes = 0;
  samples = 0;
  /** Samples of each fMP4 segment that was kept, oldest first. */
  get samplesPerSegment(): readonly number[] {
    return [...this.segments.values()].flatMap(({ facts }) => (facts === undefined ? [] : [facts.samples]));
  }
  readonly #context: FollowerContext;
  readonly #removals: RemovalRules;
  #lastMsn: number | undefined;
  #lastNewMs: number | undefined;
  #isStalled = false;
  #run: Run | undefined;
  #counters: ContinuityCounters = new Map();
  /** Where the next segment has to begin, and how many gaps lie before it. */
  #expected: { readonly tfdt: number; readonly toleranceTicks: number; readonly initUrl: string } | undefined;
  #extinfError = 0;
  #lastInit: InitFacts | undefined;

  constructor(url: string, context: FollowerContext) {
    this.url = url;
    this.label = new URL(url).pathname
      .split('/')
      .slice(-2)
      .join('/')
      .replace(/\.m3u8$/, '');
    this.#context = context;
    this.#removals = new RemovalRules(this.label, context);
  }

  /** Loads the playlist anew and follows what is new in it. */
  async reload(): Promise<void> {
    const { library, report, timing } = this.#context;
    const answer = await library.ask(this.url, { headers: { 'accept-encoding': 'gzip' } });
    if (answer.status !== 200) {
      report.expect(
        this.playlist === undefined || answer.status === 0,
        'O-4',
        this.label,
        `the playlist was answered with ${answer.status} after it had been served`,
      );
      return;
    }
    const receivedMs = timing.now();
    const text = answer.body.toString('utf8');
    const playlist = readMediaPlaylist(this.url, text, receivedMs);
    report.expect(!text.startsWith('\uFEFF'), 'H-20', this.label, 'the playlist has a byte order mark');
    if (playlist.text !== this.playlist?.text) {
      checkMediaPlaylist(playlist, this.label, report);
      if (this.playlist !== undefined) checkPlaylistMutation(this.playlist, playlist, this.label, report);
    }
    const before = this.playlist;
    this.playlist = playlist;
    this.#checkPace(playlist, receivedMs);
    const seenMs = before === undefined ? undefined : receivedMs;
    for (const segment of playlist.segments) {
      if (this.#lastMsn === undefined || segment.msn > this.#lastMsn) await this.#follow(segment, seenMs);
    }
    if (before !== undefined) await this.#removals.check(before, playlist, this.segments);
  }

  /** H-3: a new segment comes at most 1.5 target durations after the one before. */
  #checkPace(playlist: MediaPlaylist, receivedMs: number): void {
    const last = playlist.segments.at(-1)?.msn;
    const isNew = last !== undefined && (this.#lastMsn === undefined || last > this.#lastMsn);
    if (isNew || playlist.isEnded || this.#lastNewMs === undefined || !this.#context.isContinuous()) {
      this.#lastNewMs = receivedMs;
      this.#isStalled = false;
      return;
    }
    const limitMs = NEW_SEGMENT_TARGET_DURATIONS * (playlist.targetDuration ?? 0) * 1000;
    const waitedMs = receivedMs - this.#lastNewMs;
    const slackMs = this.#context.lookMs + BUSY_MACHINE_MS;
    if (this.#isStalled || waitedMs <= limitMs + slackMs) return;
    this.#isStalled = true;
    this.#context.report.add(
      'H-3',
      this.label,
      `no new segment after ${last ?? 'the start'} for ${waitedMs} ms; the limit is ${limitMs} ms`,
    );
  }

  async #follow(segment: ListedSegment, seenMs: number | undefined): Promise<void> {
    const { report } = this.#context;
    if (this.#lastMsn !== undefined && segment.msn > this.#lastMsn + 1) {
      const skipped = segment.msn - this.#lastMsn - 1;
      this.missingCount += skipped;
      report.add(
        'H-5',
        this.label,
        `${skipped} segments before ${segment.msn} were never seen in the playlist`,
      );
      this.#breakRun();
    }
    const isFirst = this.#lastMsn === undefined;
    this.#lastMsn = segment.msn;
    if (segment.isDiscontinuity) {
      if (!isFirst) this.discontinuityCount += 1;
      this.#breakRun();
    }
    if (segment.isGap) {
      this.#skipGap(segment);
      this.#keep({ listed: segment, init: undefined, facts: undefined, bytes: 0, seenMs });
      return;
    }
    const followed = new URL(segment.url).pathname.endsWith('.ts')
      ? await this.#followTs(segment, seenMs)
      : await this.#followFragments(segment, seenMs);
    if (followed === undefined) {
      this.missingCount += 1;
      this.#breakRun();
      return;
    }
    this.segmentCount += 1;
    this.mediaSeconds += segment.durationSeconds;
    this.mediaBytes += followed.bytes;
    this.samples += followed.facts?.samples ?? 0;
    this.#checkDate(followed);
    this.#keep(followed);
  }

  #keep(segment: FollowedSegment): void {
    this.segments.set(segment.listed.msn, segment);
    for (const msn of this.segments.keys()) {
      if (this.segments.size <= MAX_KEPT) break;
      this.segments.delete(msn);
    }
  }

  #breakRun(): void {
    this.#run = undefined;
    this.#expected = undefined;
    this.#counters = new Map();
    this.#extinfError = 0;
  }

  /** A gap ends the run for the decoder, but media time goes on across it (H-14, C-1). */
  #skipGap(segment: ListedSegment): void {
    this.gapCount += 1;
    const expected = this.#expected;
    const timescale = this.#lastInit?.timescale;
    this.#breakRun();
    if (expected === undefined || timescale === undefined) return;
    this.#expected = {
      tfdt: expected.tfdt + Math.round(segment.durationSeconds * timescale),
      toleranceTicks: expected.toleranceTicks + Math.ceil(timescale / 1000),
      initUrl: expected.initUrl,
    };
  }

  async #followFragments(
    segment: ListedSegment,
    seenMs: number | undefined,
  ): Promise<FollowedSegment | undefined> {
    const { library, report, spool, segmentDuration } = this.#context;
    const initUrl = segment.mapUrl ?? '';
    const init = segment.mapUrl === undefined ? undefined : await library.init(segment.mapUrl);
    const { status, bytes, facts } = await library.segment(segment.url, init?.facts, true);
    report.expect(
      status === 200,
      'H-9',
      this.label,
      `segment ${segment.msn} is listed and was answered with ${status}`,
    );
    if (status !== 200 || facts === undefined || init?.facts === undefined) return undefined;
    this.#lastInit = init.facts;
    this.#checkContinuity(segment, facts, init.facts, initUrl);
    if (segmentDuration !== undefined) checkGrid(segment.url, facts, init.facts, segmentDuration, report);
    this.#run ??= spool.begin(`${this.label} from ${segment.msn}`, 'mp4', init.bytes);
    spool.append(this.#run, bytes, facts.samples);
    return { listed: segment, init: init.facts, facts, bytes: bytes.length, seenMs };
  }

  #checkContinuity(segment: ListedSegment, facts: SegmentFacts, init: InitFacts, initUrl: string): void {
    const { report } = this.#context;
    const expected = this.#expected;
    if (expected !== undefined) {
      report.expect(
        expected.initUrl === initUrl,
        'H-7',
        this.label,
        `segment ${segment.msn} has another init segment and no EXT-X-DISCONTINUITY`,
      );
      const error = facts.tfdt - expected.tfdt;
      if (Math.abs(error) > expected.toleranceTicks) {
        this.tickErrorCount += 1;
        report.add(
          'C-1',
          this.label,
          `segment ${segment.msn} begins at ${facts.tfdt}, ${error} ticks from the end of the one before`,
        );
      }
    }
    this.#expected = { tfdt: facts.tfdt + facts.durationTicks, toleranceTicks: 0, initUrl };
    const seconds = facts.durationTicks / init.timescale;
    this.#extinfError += segment.durationSeconds - seconds;
    const frameSeconds = seconds / facts.samples;
    report.expect(
      Math.abs(segment.durationSeconds - seconds) <= MAX_EXTINF_ERROR_SECONDS &&
        Math.abs(this.#extinfError) < frameSeconds,
      'H-2',
      this.label,
      `segment ${segment.msn}: EXTINF ${segment.durationSeconds}, its samples ${seconds.toFixed(6)} s; since the last discontinuity off by ${this.#extinfError.toFixed(6)} s`,
    );
  }

  async #followTs(segment: ListedSegment, seenMs: number | undefined): Promise<FollowedSegment | undefined> {
    const { library, report, spool } = this.#context;
    const { status, body } = await library.ask(segment.url);
    report.expect(
      status === 200,
      'H-9',
      this.label,
      `segment ${segment.msn} is listed and was answered with ${status}`,
    );
    if (status !== 200) return undefined;
    checkTsSegment(body, this.#counters, `${this.label} ${segment.msn}`, report);
    this.#run ??= spool.begin(`${this.label} from ${segment.msn}`, 'ts', Buffer.alloc(0));
    spool.append(this.#run, body, 0);
    return { listed: segment, init: undefined, facts: undefined, bytes: body.length, seenMs };
  }

  /** H-10: the wall clock follows media time. */
  #checkDate({ listed }: FollowedSegment): void {
    const before = this.segments.get(listed.msn - 1)?.listed;
    if (before?.pdt === undefined || listed.pdt === undefined || listed.isDiscontinuity) return;
    const driftMs = Date.parse(listed.pdt) - Date.parse(before.pdt) - before.durationSeconds * 1000;
    this.#context.report.expect(
      Math.abs(driftMs) <= MAX_PDT_DRIFT_MS,
      'H-10',
      this.label,
      `the date of segment ${listed.msn} is ${driftMs.toFixed(1)} ms off the end of the one before`,
    );
  }
}
