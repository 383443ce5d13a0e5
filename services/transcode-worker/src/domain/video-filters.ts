import type { session } from '@millrace/contracts';

/** How the samples of a picture are to be understood, as ffmpeg names it. */
export interface ColorTags {
  readonly primaries: string;
  readonly transfer: string;
  readonly matrix: string;
}

/** What every rung of a session shares before the split. */
export interface DecodedVideo {
  readonly track: session.Track;
  readonly periodStartTicks: number;
}

/**
 * Filters between the decoder and a rate: deinterlacing, then exact 90 kHz ticks, then a constant rate on the frame grid that
 * begins at the period's start.
 *
 * The shift by the period's start matters: `fps` rounds to multiples of its own frame time from zero, which at 59.94 fps
 * would put a frame before the segment it belongs to.
 */
export function timingFilters(video: DecodedVideo, rate: session.Rational | undefined): readonly string[] {
  const start = video.periodStartTicks;
  return [
    ...(video.track.isInterlaced ? ['bwdif=mode=send_frame:parity=auto:deint=all'] : []),
    'settb=1/90000',
    ...(rate === undefined
      ? []
      : [
          `setpts=PTS-${start}`,
          // "pass": what ends a period is its last frame, not a frame short of it.
          `fps=${rate.numerator}/${rate.denominator}:eof_action=pass`,
          'settb=1/90000',
          `setpts=PTS+${start}`,
        ]),
  ];
}

/** Filters of one rung: drop what comes before its first frame, fit the picture into the fixed frame, tag the colors. */
export function renditionFilters(options: {
  readonly track: session.Track;
  readonly frame: { readonly width: number; readonly height: number };
  readonly firstTicks: number;
  readonly color: ColorTags;
}): readonly string[] {
  const { frame, color } = options;
  const fitted = fitIntoFrame(options.track, frame);
  const isPadded = fitted.width !== frame.width || fitted.height !== frame.height;
  return [
    `trim=start_pts=${options.firstTicks}`,
    // An explicit size on every rung: only then does a picture that changes its size in mid-period stay in its frame.
    `scale=${fitted.width}:${fitted.height}:out_range=tv`,
    ...(isPadded
      ? [
          `pad=${frame.width}:${frame.height}:${evenFloor((frame.width - fitted.width) / 2)}:${evenFloor((frame.height - fitted.height) / 2)}`,
        ]
      : []),
    'setsar=1',
    'format=yuv420p',
    `setparams=range=tv:color_primaries=${color.primaries}:color_trc=${color.transfer}:colorspace=${color.matrix}`,
  ];
}

/** The largest even size of the track's display aspect inside a frame. */
function fitIntoFrame(
  track: session.Track,
  frame: { readonly width: number; readonly height: number },
): { readonly width: number; readonly height: number } {
  const aspect = track.sampleAspectRatio;
  const displayWidth =
    aspect === undefined ? track.width : (track.width * aspect.numerator) / aspect.denominator;
  if (displayWidth <= 0 || track.height <= 0) return frame;
  const scale = Math.min(frame.width / displayWidth, frame.height / track.height);
  return {
    width: fitEven(displayWidth * scale, frame.width),
    height: fitEven(track.height * scale, frame.height),
  };
}

/** A picture that lacks less than 2 % of its frame's side fills it: 1366x768 in 640x360 has no black lines. */
function fitEven(size: number, frameSize: number): number {
  if (size >= frameSize * 0.98) return frameSize;
  return Math.max(2, Math.round(size / 2) * 2);
}

function evenFloor(value: number): number {
  return Math.floor(value / 2) * 2;
}
