import { session } from '@millrace/contracts';
import { VIDEO_TIMESCALE } from '@millrace/media';
import { renditionFilters, timingFilters } from './video-filters.ts';
import type { ColorTags } from './video-filters.ts';

/** An encoded video rendition of one ffmpeg run. */
export interface EncodedVideo {
  readonly rendition: session.Rendition;
  /** Constant frame rate; unset keeps the source's frame times. */
  readonly frameRate: session.Rational | undefined;
  /** Frames before this decode time are dropped, in 90 kHz ticks. */
  readonly trimTicks: number;
  /** Decode time of the first frame that comes out, in 90 kHz ticks. */
  readonly firstTicks: number;
}

/** The encoded audio rendition of one ffmpeg run. */
export interface EncodedAudio {
  readonly rendition: session.Rendition;
  /** First sample that the encoder gets, in samples since the epoch of media time; a multiple of 1024. */
  readonly firstSample: number;
}

/**
 * The presets of x264 that may be set, fastest first. Slower ones than these keep more reference frames than the level allows
 * that the codec string promises.
 */
export const X264_PRESETS = ['ultrafast', 'superfast', 'veryfast', 'faster', 'fast', 'medium'] as const;

/** Speed against picture quality of the encoder. */
export type X264Preset = (typeof X264_PRESETS)[number];

/** Everything one ffmpeg run is made of. */
export interface TranscodePlan {
  readonly preset: session.Preset;
  readonly segmentDuration: session.Rational;
  readonly periodStartTicks: number;
  readonly videoTrack: session.Track | undefined;
  readonly color: ColorTags;
  readonly video: readonly EncodedVideo[];
  readonly audio: EncodedAudio | undefined;
  /** Threads of each x264. */
  readonly encoderThreads: number;
  readonly x264Preset: X264Preset;
}

/** The first output pipe; output i of `outputRenditions` is on descriptor `FIRST_OUTPUT_DESCRIPTOR + i`. */
const FIRST_OUTPUT_DESCRIPTOR = 3;

/** Pictures that `quality` looks ahead. */
export const QUALITY_LOOKAHEAD_FRAMES = 20;
/** B-frames in a row under `quality`. */
export const QUALITY_B_FRAMES = 2;

/** e of the segment rule, which ffmpeg has to follow by itself; what comes out is checked against the timeline's own. */
const EPSILON_TICKS = 45n;
/**
 * Profiles by the codec string, with the coding tools that make them: x264 writes the lowest profile that has the tools in
 * use, and `ultrafast` leaves out those that make High and Main.
 */
const X264_PROFILES: Readonly<Record<string, { readonly name: string; readonly tools: readonly string[] }>> =
  {
    '42': { name: 'baseline', tools: [] },
    '4d': { name: 'main', tools: ['cabac=1'] },
    '64': { name: 'high', tools: ['cabac=1', '8x8dct=1'] },
  };

/** Rendition ids in the order of the output pipes. */
export function outputRenditions(plan: TranscodePlan): readonly session.Rendition[] {
  return [
    ...plan.video.map(({ rendition }) => rendition),
    ...(plan.audio === undefined ? [] : [plan.audio.rendition]),
  ];
}

/**
 * Builds the arguments of the one ffmpeg of a session and period: NUT on stdin, decoded once, one pipe of single-frame CMAF
 * fragments for each rendition.
 *
 * Video is stream 0 of the input when there is any, audio the stream after it.
 */
export function ffmpegArguments(plan: TranscodePlan): readonly string[] {
  const audioStream = plan.videoTrack === undefined ? 0 : 1;
  const outputs = outputRenditions(plan);
  return [
    ...['-hide_banner', '-loglevel', 'warning', '-nostdin', '-copyts'],
    // One decoder thread: each further one delays every picture by a frame.
    ...['-f', 'nut', '-probesize', '32', '-analyzeduration', '0', '-threads', '1', '-i', 'pipe:0'],
    ...['-filter_complex', filterGraph(plan, audioStream)],
    ...plan.video.flatMap((video, index) => [
      ...['-map', `[v${index}]`],
      ...videoEncoder(plan, video),
      ...fragmentOutput(outputs, video.rendition),
    ]),
    ...(plan.audio === undefined
      ? []
      : [
          ...['-map', '[a]', '-c:a', 'aac', '-profile:a', 'aac_low'],
          ...['-b:a', String(plan.audio.rendition.targetBps)],
          ...fragmentOutput(outputs, plan.audio.rendition),
        ]),
  ];
}

function filterGraph(plan: TranscodePlan, audioStream: number): string {
  return [...videoChains(plan), ...audioChains(plan, audioStream)].join(';');
}

function videoChains(plan: TranscodePlan): readonly string[] {
  const { videoTrack } = plan;
  if (videoTrack === undefined) return [];
  const decoded = { track: videoTrack, periodStartTicks: plan.periodStartTicks };
  const groups = groupByRate(plan.video);
  const names = groups.map((_, group) => (groups.length === 1 ? '[0:v]' : `[d${group}]`));
  return [
    ...(groups.length > 1 ? [`[0:v]split=${groups.length}${names.join('')}`] : []),
    ...groups.map((indexes, group) => {
      const filters = [...timingFilters(decoded, plan.video[indexes[0] ?? 0]?.frameRate)];
      if (indexes.length > 1) filters.push(`split=${indexes.length}`);
      return `${names[group]}${filters.join(',')}${indexes.map((index) => `[s${index}]`).join('')}`;
    }),
    ...plan.video.map((video, index) => {
      const filters = renditionFilters({
        track: videoTrack,
        frame: video.rendition,
        firstTicks: video.trimTicks,
        color: plan.color,
      });
      return `[s${index}]${filters.join(',')}[v${index}]`;
    }),
  ];
}

function audioChains(plan: TranscodePlan, audioStream: number): readonly string[] {
  if (plan.audio === undefined) return [];
  const { rendition, firstSample } = plan.audio;
  const layout = rendition.channelCount === 1 ? 'mono' : 'stereo';
  return [
    // Two steps: swr counts `first_pts` in samples of its input, which must be the output's for the grid to be exact.
    `[0:${audioStream}]aresample=${rendition.sampleRate},` +
      `aresample=async=1:min_hard_comp=0.01:first_pts=${firstSample},` +
      `aformat=sample_fmts=fltp:sample_rates=${rendition.sampleRate}:channel_layouts=${layout}[a]`,
  ];
}

/** Indexes of the renditions that share a frame rate, so that each rate is made once. */
function groupByRate(video: readonly EncodedVideo[]): readonly (readonly number[])[] {
  const groups = new Map<string, number[]>();
  video.forEach(({ frameRate }, index) => {
    const key = frameRate === undefined ? 'variable' : `${frameRate.numerator}/${frameRate.denominator}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [index]);
    else group.push(index);
  });
  return [...groups.values()];
}

function videoEncoder(plan: TranscodePlan, video: EncodedVideo): readonly string[] {
  const { rendition } = video;
  const rate = video.frameRate ?? { numerator: 30, denominator: 1 };
  const profile = profileOf(rendition.codec);
  return [
    ...['-c:v', 'libx264', '-preset', plan.x264Preset],
    ...lookahead(plan.preset, video.frameRate !== undefined),
    ...['-threads', String(plan.encoderThreads)],
    // IDRs come from the grid alone.
    ...['-g', '100000', '-keyint_min', '1', '-sc_threshold', '0', '-forced-idr', '1'],
    ...['-force_key_frames', gridKeyFrames(video.firstTicks, plan.segmentDuration)],
    ...['-profile:v', profile.name, '-level', profile.level],
    ...[
      '-x264-params',
      [`fps=${rate.numerator}/${rate.denominator}`, ...profile.tools, 'b-pyramid=none:open-gop=0'].join(':'),
    ],
    ...['-b:v', String(rendition.targetBps), '-maxrate', String(rendition.targetBps)],
    // One second of buffer: what the declared BANDWIDTH is computed from.
    ...['-bufsize', String(rendition.targetBps)],
    ...['-fps_mode', 'passthrough', '-enc_time_base', '1:90000'],
  ];
}

/** `quality` looks ahead and uses B-frames, but not with a varying rate: x264 then derives decode times from its first frames. */
function lookahead(preset: session.Preset, isConstantRate: boolean): readonly string[] {
  if (preset !== session.Preset.QUALITY) return ['-tune', 'zerolatency', '-bf', '0'];
  const bFrames = isConstantRate ? QUALITY_B_FRAMES : 0;
  return ['-bf', String(bFrames), '-b_strategy', '1', '-rc-lookahead', String(QUALITY_LOOKAHEAD_FRAMES)];
}

/**
 * An expression that forces an IDR on the first frame and on the first frame of every segment.
 *
 * In it `t` counts from the first frame that the encoder gets, also under `-copyts`; the offset puts it back on the grid.
 */
function gridKeyFrames(firstTicks: number, segment: session.Rational): string {
  const denominator = BigInt(segment.denominator);
  const segmentTicks = BigInt(VIDEO_TIMESCALE) * BigInt(segment.numerator);
  const offset = ((BigInt(firstTicks) + EPSILON_TICKS) * denominator) % segmentTicks;
  const offsetSeconds = (Number(offset) / (VIDEO_TIMESCALE * segment.denominator)).toFixed(9);
  const seconds = `(${segment.numerator}/${segment.denominator})`;
  return `expr:if(isnan(prev_forced_t),1,gt(floor((t+${offsetSeconds})/${seconds}),floor((prev_forced_t+${offsetSeconds})/${seconds})))`;
}

/** `avc1.64001f` is High at level 3.1: the encoder has to write exactly what the playlists say. */
function profileOf(codec: string): {
  readonly name: string;
  readonly level: string;
  readonly tools: readonly string[];
} {
  const match = /^avc1\.(42|4d|64)[0-9a-f]{2}([0-9a-f]{2})$/i.exec(codec);
  const profile = X264_PROFILES[(match?.[1] ?? '').toLowerCase()];
  if (profile === undefined) throw new RangeError(`${codec}: not a codec string that the ladder can encode`);
  const level = parseInt(match?.[2] ?? '', 16);
  return { ...profile, level: `${Math.floor(level / 10)}.${level % 10}` };
}

function fragmentOutput(
  outputs: readonly session.Rendition[],
  rendition: session.Rendition,
): readonly string[] {
  return [
    ...['-flags', '+bitexact', '-fflags', '+bitexact', '-map_metadata', '-1'],
    ...['-avoid_negative_ts', 'disabled', '-flush_packets', '1', '-max_muxing_queue_size', '4096'],
    // Without frag_discont the absolute time is lost, without skip_trailer an index grows for ever.
    ...['-movflags', '+cmaf+frag_every_frame+frag_discont+skip_trailer'],
    ...['-use_editlist', '0', '-write_tmcd', '0', '-write_btrt', '0'],
    ...(rendition.kind === session.TrackKind.VIDEO ? ['-video_track_timescale', '90000'] : []),
    ...['-f', 'mp4', `pipe:${FIRST_OUTPUT_DESCRIPTOR + outputs.indexOf(rendition)}`],
  ];
}
