import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { start } from './children.ts';
import type { Ended, OwnedProcess } from './children.ts';
import type { Clip } from './clip.ts';

/** An encoder that pushes to Millrace. */
export interface Publisher extends OwnedProcess {
  /** Ends as an encoder does whose cable is pulled. */
  readonly kill: () => Promise<Ended>;
}

/** How a clip is pushed. */
export interface PublishOptions {
  /** Begin again at the end, for ever; once by default. */
  readonly isLooping?: boolean;
  /** Timestamp of the first frame, in ms. */
  readonly firstTimestampMs?: number;
  readonly extraArguments?: readonly string[];
}

/** Pushes a clip by RTMP with ffmpeg, in real time and without encoding anything. */
export function publish(url: string, clip: Clip, options: PublishOptions = {}): Publisher {
  const loop = options.isLooping === true ? ['-stream_loop', '-1'] : [];
  const offset =
    options.firstTimestampMs === undefined
      ? []
      : ['-output_ts_offset', (options.firstTimestampMs / 1000).toFixed(3)];
  return publisher(
    start('ffmpeg', [
      ...['-hide_banner', '-nostdin', '-v', 'warning', '-re', ...loop, '-i', clip.path],
      ...['-c', 'copy', ...offset, ...(options.extraArguments ?? [])],
      ...['-flvflags', 'no_duration_filesize', '-f', 'flv', url],
    ]),
  );
}

/** Pushes a clip with every message at its own time, also the first one after a pause, which `-re` sends before it. */
export function publishInTime(url: string, clip: Clip): Publisher {
  const flv = readFileSync(clip.path);
  return publisher(
    start(
      'ffmpeg',
      [
        // What is probed waits, and would come late.
        ...['-hide_banner', '-v', 'warning', '-probesize', '32', '-analyzeduration', '0'],
        ...['-f', 'flv', '-i', 'pipe:0'],
        ...['-c', 'copy', '-flush_packets', '1', '-flvflags', 'no_duration_filesize', '-f', 'flv', url],
      ],
      { input: Readable.from(tagsInTime(flv)) },
    ),
  );
}

/** The bytes of an FLV file, tag by tag, each when its timestamp has come. */
async function* tagsInTime(flv: Buffer): AsyncGenerator<Buffer> {
  const startMs = performance.now();
  // Header and the first PreviousTagSize; a tag is 11 bytes, its data and its own size.
  let at = flv.readUInt32BE(5) + 4;
  yield flv.subarray(0, at);
  while (at + 11 <= flv.length) {
    const end = at + 11 + flv.readUIntBE(at + 1, 3) + 4;
    const timestampMs = flv.readUIntBE(at + 4, 3) + flv.readUInt8(at + 7) * 2 ** 24;
    const waitMs = startMs + timestampMs - performance.now();
    if (waitMs > 0) await setTimeout(waitMs);
    yield flv.subarray(at, end);
    at = end;
  }
}

/** What GStreamer is to send; what is left out is not sent. */
export interface GStreamerOptions {
  /** Whole frames a second. */
  readonly video?: { readonly width: number; readonly height: number; readonly rate: number };
  readonly audio?: { readonly rate: number; readonly channels: number };
  readonly seconds: number;
}

/** Pushes a test picture and a tone with GStreamer's rtmp2sink. */
export function publishGStreamer(url: string, { video, audio, seconds }: GStreamerOptions): Publisher {
  const args = ['-q', '-e', 'flvmux', 'name=mux', 'streamable=true', '!', 'rtmp2sink', `location=${url}`];
  if (video !== undefined) {
    const { width, height, rate } = video;
    args.push(
      ...['videotestsrc', 'is-live=true', 'pattern=smpte', `num-buffers=${rate * seconds}`, '!'],
      ...[`video/x-raw,format=I420,width=${width},height=${height},framerate=${rate}/1`, '!'],
      ...['x264enc', 'speed-preset=ultrafast', 'tune=zerolatency', 'bitrate=500'],
      ...[`key-int-max=${rate * 2}`, '!', 'h264parse', '!', 'queue', '!', 'mux.'],
    );
  }
  if (audio !== undefined) {
    const { rate, channels } = audio;
    const buffers = Math.round((seconds * rate) / 1024);
    args.push(
      ...['audiotestsrc', 'is-live=true', 'samplesperbuffer=1024', `num-buffers=${buffers}`, '!'],
      ...[`audio/x-raw,rate=${rate},channels=${channels}`, '!', 'audioconvert', '!', 'avenc_aac', '!'],
      ...['aacparse', '!', 'queue', '!', 'mux.'],
    );
  }
  return publisher(start('gst-launch-1.0', args));
}

function publisher(owned: OwnedProcess): Publisher {
  return {
    ...owned,
    kill: () => {
      owned.signal('SIGKILL');
      return owned.ended;
    },
  };
}
