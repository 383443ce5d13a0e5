import { checkMpd, checkMpdUpdate } from './mpd-rules.ts';
import { playerSegmentUrls, readMpd, segmentUrl } from './mpd.ts';
import type { Mpd, MpdPeriod, MpdRepresentation } from './mpd.ts';
import type { FollowerContext } from './rendition-follower.ts';
import type { Run } from './spool.ts';

/** Clocks of an origin and of a player agree to this. */
const MAX_CLOCK_SKEW_MS = 1000;
/** A Period after a takeover begins up to two segments after its arrival; beyond that, the clock of the MPD is wrong. */
const MAX_EARLY_SEGMENTS = 3;
/** What ends within this may still be on its way. */
const AVAILABILITY_TOLERANCE_MS = 250;

/** Follows one MPD, reload by reload, and everything that it lists. */
export class MpdFollower {
  readonly url: string;
  readonly label: string;
  mpd: Mpd | undefined;
  revisionCount = 0;
  segmentCount = 0;
  missingCount = 0;
  readonly periodIds = new Set<string>();
  readonly #context: FollowerContext;
  /** Decodes on its own where no HLS playlist has the same media. */
  readonly #isSpooling: boolean;
  readonly #runs = new Map<string, Run>();
  /** Last segment followed of each Period and Representation. */
  readonly #followed = new Map<string, number>();
  /** Segments that were missing when they were asked for by number. */
  #suspects: {
    readonly periodId: string;
    readonly representationId: string;
    readonly number: number;
    readonly where: string;
    readonly revision: number;
  }[] = [];
  #hasCheckedClock = false;

  constructor(url: string, context: FollowerContext, isSpooling: boolean) {
    this.url = url;
    this.label = new URL(url).pathname.split('/').slice(-2).join('/');
    this.#context = context;
    this.#isSpooling = isSpooling;
  }

  /** Loads the MPD anew and follows what is new in it. */
  async reload(): Promise<void> {
    const { library, report, timing } = this.#context;
    const answer = await library.ask(this.url, { headers: { 'accept-encoding': 'gzip' } });
    if (answer.status !== 200) {
      report.expect(
        this.mpd === undefined || answer.status === 0,
        'T-6',
        this.label,
        `the MPD was answered with ${answer.status} after it had been served`,
      );
      return;
    }
    const text = answer.body.toString('utf8');
    if (text !== this.mpd?.text) this.#revise(text, timing.now());
    const { mpd } = this;
    if (mpd === undefined) return;
    await this.#checkClock(mpd);
    for (const period of mpd.periods) {
      for (const { representations } of period.sets) {
        for (const representation of representations) {
          if (representation.timeline === undefined) await this.#followNumber(mpd, period, representation);
          else await this.#followTimeline(mpd, period, representation);
        }
      }
    }
  }

  #revise(text: string, receivedMs: number): void {
    const { report } = this.#context;
    let mpd: Mpd;
    try {
      mpd = readMpd(this.url, text, receivedMs);
    } catch (error) {
      report.add('T-12', this.label, `it cannot be read: ${(error as Error).message}`);
      return;
    }
    this.revisionCount += 1;
    checkMpd(mpd, this.label, report);
    if (this.mpd !== undefined) checkMpdUpdate(this.mpd, mpd, this.label, report);
    this.mpd = mpd;
    for (const { id } of mpd.periods) this.periodIds.add(id);
    this.#judgeSuspects(mpd);
    this.#compareWithPlayer(mpd);
  }

  /**
   * T-5: by number a player may ask for a segment before the MPD can say that it is a gap. It was promised wrongly if it still
   * is two revisions later; by then a gap has ended its Period, or begun one without the representation.
   */
  #judgeSuspects(mpd: Mpd): void {
    this.#suspects = this.#suspects.filter(({ periodId, representationId, number, where, revision }) => {
      if (mpd.type === 'dynamic' && this.revisionCount < revision + 2) return true;
      const period = mpd.periods.find(({ id }) => id === periodId);
      const representation = period?.sets
        .flatMap(({ representations }) => representations)
        .find(({ id }) => id === representationId);
      if (period === undefined || representation === undefined) return false;
      const seconds = (representation.duration ?? 0) / representation.timescale;
      const count = (period.duration ?? Number.POSITIVE_INFINITY) / seconds;
      if (
        number < representation.startNumber ||
        number >= representation.startNumber + Math.floor(count + 0.001)
      ) {
        return false;
      }
      this.missingCount += 1;
      this.#context.report.add('T-5', where, 'it is available and was not there when it was asked for');
      return false;
    });
  }

  /** What mpd-parser makes of it must be what the text says. */
  #compareWithPlayer(mpd: Mpd): void {
    const listed = mpd.periods.flatMap(({ sets }) =>
      sets.flatMap(({ representations }) =>
        representations.flatMap((representation) =>
          (representation.timeline ?? []).map((segment) => segmentUrl(representation, segment)),
        ),
      ),
    );
    if (listed.length === 0) return;
    let read: ReadonlySet<string>;
    try {
      read = playerSegmentUrls(mpd);
    } catch (error) {
      this.#context.report.add('T-12', this.label, `mpd-parser cannot read it: ${(error as Error).message}`);
      return;
    }
    const unread = listed.filter((url) => !read.has(url));
    this.#context.report.expect(
      unread.length === 0,
      'T-12',
      this.label,
      `mpd-parser does not find ${unread.length} of ${listed.length} segments, such as ${unread[0] ?? ''}`,
    );
  }

  /** T-1: the clock that the MPD refers to is there, and right. */
  async #checkClock(mpd: Mpd): Promise<void> {
    const timing = mpd.utcTimings[0];
    if (this.#hasCheckedClock || timing === undefined || !/http-(?:iso|xsdate)/.test(timing.scheme)) return;
    this.#hasCheckedClock = true;
    const { library, report, timing: clock } = this.#context;
    const url = new URL(timing.value, this.url).href;
    const { status, body } = await library.ask(url);
    const offsetMs = Math.abs(Date.parse(body.toString('utf8').trim()) - clock.now());
    report.expect(
      status === 200 && offsetMs <= MAX_CLOCK_SKEW_MS,
      'T-1',
      this.label,
      `UTCTiming ${url} was answered with ${status}, ${offsetMs} ms off`,
    );
  }

  async #followTimeline(mpd: Mpd, period: MpdPeriod, representation: MpdRepresentation): Promise<void> {
    const { report, timing } = this.#context;
    const key = `${period.id}/${representation.id}`;
    for (const segment of representation.timeline ?? []) {
      if (segment.number <= (this.#followed.get(key) ?? -1)) continue;
      this.#followed.set(key, segment.number);
      const where = `${this.label} ${key} ${segment.number}`;
      const endSeconds =
        (period.start ?? 0) +
        (segment.t + segment.d - representation.presentationTimeOffset) / representation.timescale;
      const earlyMs = (mpd.availabilityStartMs ?? 0) + endSeconds * 1000 - timing.now();
      report.expect(
        mpd.type !== 'dynamic' || earlyMs <= MAX_EARLY_SEGMENTS * (mpd.maxSegmentSeconds ?? 0) * 1000,
        'T-5',
        where,
        `it is listed ${earlyMs.toFixed(0)} ms before the clock lets players ask for it`,
      );
      const loaded = await this.#load(representation, segment, key, where);
      if (loaded === undefined) continue;
      const { facts, init } = loaded;
      const scale = representation.timescale / init.timescale;
      report.expect(
        Math.abs(facts.tfdt * scale - segment.t) < 1 && Math.abs(facts.durationTicks * scale - segment.d) < 1,
        'C-4',
        where,
        `S says ${segment.t} + ${segment.d}, the media ${facts.tfdt * scale} + ${facts.durationTicks * scale}`,
      );
    }
  }

  /** The newest segment that the clock says is there. */
  async #followNumber(mpd: Mpd, period: MpdPeriod, representation: MpdRepresentation): Promise<void> {
    const { report, timing, isContinuous } = this.#context;
    const seconds = (representation.duration ?? 0) / representation.timescale;
    if (!(seconds > 0)) return;
    const sinceStart = (timing.now() - (mpd.availabilityStartMs ?? 0)) / 1000 - (period.start ?? 0);
    const playable = mpd.type === 'static' ? (mpd.durationSeconds ?? 0) - (period.start ?? 0) : sinceStart;
    const end = Math.min(playable, period.duration ?? Number.POSITIVE_INFINITY);
    // What ends within the tolerance may still be on its way.
    const count = Math.floor(
      (end - (mpd.type === 'static' ? -0.001 : AVAILABILITY_TOLERANCE_MS / 1000)) / seconds,
    );
    if (count < 1) return;
    const number = representation.startNumber + count - 1;
    const key = `${period.id}/${representation.id}`;
    if (number <= (this.#followed.get(key) ?? -1)) return;
    this.#followed.set(key, number);
    const where = `${this.label} ${key} ${number}`;
    const loaded = await this.#load(representation, { number, t: 0 }, key, undefined);
    if (loaded === undefined) {
      const suspect = { periodId: period.id, representationId: representation.id, number, where };
      if (isContinuous()) this.#suspects.push({ ...suspect, revision: this.revisionCount });
      return;
    }
    const expected =
      representation.presentationTimeOffset / representation.timescale +
      (number - representation.startNumber) * seconds;
    const error = loaded.facts.tfdt / loaded.init.timescale - expected;
    report.expect(
      Math.abs(error) <= seconds / 2,
      'C-4',
      where,
      `it begins ${error.toFixed(3)} s off its place by number`,
    );
  }

  /** Loads a segment; without `where` it may be missing. */
  async #load(
    representation: MpdRepresentation,
    segment: { readonly number: number; readonly t: number },
    key: string,
    where: string | undefined,
  ) {
    const { library, report, spool } = this.#context;
    const init = await library.init(representation.initialization);
    const url = segmentUrl(representation, segment);
    const { status, facts, bytes } = await library.segment(url, init?.facts, this.#isSpooling);
    if (status !== 200) {
      if (where === undefined) return undefined;
      this.missingCount += 1;
      report.add('T-5', where, `it is available and was answered with ${status}`);
      return undefined;
    }
    this.segmentCount += 1;
    if (facts === undefined || init?.facts === undefined) return undefined;
    if (this.#isSpooling && representation.timeline !== undefined) {
      const run = this.#runs.get(key) ?? spool.begin(`${this.label} ${key}`, 'mp4', init.bytes);
      this.#runs.set(key, run);
      spool.append(run, bytes, facts.samples);
    }
    return { facts, init: init.facts };
  }
}
