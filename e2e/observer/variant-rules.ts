import type { MultivariantPlaylist, Variant } from './multivariant.ts';
import type { FollowedSegment, RenditionFollower } from './rendition-follower.ts';
import type { Report } from './report.ts';

const MAX_PEAK_SHARE = 1.25;
const MAX_AVERAGE_SHARE = 1.1;
/** The long run that M-1 speaks of. */
const MIN_AVERAGE_SECONDS = 10;
/** FRAME-RATE has three decimals; what was counted over some seconds is less exact. */
const MAX_RATE_ERROR = 0.02;
const MIN_RATE_SECONDS = 4;

/** Bits per second of a variant with its audio, as measured. */
export interface MeasuredVariant {
  readonly label: string;
  readonly declaredBps: number;
  readonly declaredAverageBps: number | undefined;
  readonly peakBps: number;
  readonly averageBps: number;
}

/** Holds what variants declare to what was served: bandwidth (M-1), codecs, resolution and rate (M-2). */
export function checkVariants(
  playlist: MultivariantPlaylist,
  followers: ReadonlyMap<string, RenditionFollower>,
  report: Report,
): readonly MeasuredVariant[] {
  return playlist.variants.flatMap((variant) => {
    const follower = followers.get(variant.url);
    if (follower === undefined) return [];
    const audio = playlist.audio.find(({ group }) => group === variant.audioGroup);
    const audioFollower = audio === undefined ? undefined : followers.get(audio.url);
    checkDeclaration(variant, follower, audioFollower, report);
    const measured = measure(variant, follower, audioFollower);
    if (measured === undefined) return [];
    report.expect(
      measured.peakBps < MAX_PEAK_SHARE * variant.bandwidthBps,
      'M-1',
      follower.label,
      `peak ${Math.round(measured.peakBps)} b/s, BANDWIDTH ${variant.bandwidthBps}`,
    );
    if (follower.mediaSeconds >= MIN_AVERAGE_SECONDS && variant.averageBandwidthBps !== undefined) {
      report.expect(
        measured.averageBps < MAX_AVERAGE_SHARE * variant.averageBandwidthBps,
        'M-1',
        follower.label,
        `average ${Math.round(measured.averageBps)} b/s, AVERAGE-BANDWIDTH ${variant.averageBandwidthBps}`,
      );
    }
    return [measured];
  });
}

function checkDeclaration(
  variant: Variant,
  follower: RenditionFollower,
  audio: RenditionFollower | undefined,
  report: Report,
): void {
  for (const source of [follower, audio]) {
    for (const { init } of source?.segments.values() ?? []) {
      if (init === undefined) continue;
      report.expect(
        variant.codecs.some((codec) => codec.toLowerCase() === init.codec.toLowerCase()),
        'M-2',
        follower.label,
        `CODECS is ${variant.codecs.join(',')}, the init segment of ${source?.label ?? ''} says ${init.codec}`,
      );
      if (init.kind !== 'video') continue;
      const { width, height } = variant.resolution ?? { width: 0, height: 0 };
      report.expect(
        width === init.width && height === init.height,
        'M-2',
        follower.label,
        `RESOLUTION is ${width}x${height}, the picture ${init.width}x${init.height}`,
      );
    }
  }
  if (variant.frameRate === undefined || variant.resolution === undefined) return;
  const seconds = [...follower.segments.values()].reduce(
    (sum, { facts, init }) =>
      sum + (facts === undefined || init === undefined ? 0 : facts.durationTicks / init.timescale),
    0,
  );
  const samples = [...follower.segments.values()].reduce((sum, { facts }) => sum + (facts?.samples ?? 0), 0);
  if (seconds < MIN_RATE_SECONDS) return;
  // FRAME-RATE is the highest that is in the rendition.
  report.expect(
    samples / seconds <= variant.frameRate * (1 + MAX_RATE_ERROR),
    'M-2',
    follower.label,
    `FRAME-RATE is ${variant.frameRate}, there are ${(samples / seconds).toFixed(3)} pictures a second`,
  );
}

/** The peak is that of whole segments between a half and one and a half target durations (RFC 8216bis 4.4.6.2). */
function measure(
  variant: Variant,
  follower: RenditionFollower,
  audio: RenditionFollower | undefined,
): MeasuredVariant | undefined {
  const target = follower.playlist?.targetDuration ?? 0;
  let peakBps = 0;
  let bits = 0;
  let seconds = 0;
  for (const segment of follower.segments.values()) {
    const segmentBits = bitsOf(segment) + bitsOf(audio?.segments.get(segment.listed.msn));
    const duration = segment.listed.durationSeconds;
    if (segment.bytes === 0 || !(duration > 0)) continue;
    bits += segmentBits;
    seconds += duration;
    if (duration >= target / 2 && duration <= target * 1.5)
      peakBps = Math.max(peakBps, segmentBits / duration);
  }
  if (seconds === 0) return undefined;
  return {
    label: follower.label,
    declaredBps: variant.bandwidthBps,
    declaredAverageBps: variant.averageBandwidthBps,
    peakBps,
    averageBps: bits / seconds,
  };
}

function bitsOf(segment: FollowedSegment | undefined): number {
  return (segment?.bytes ?? 0) * 8;
}
