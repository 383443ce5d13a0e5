import type { session } from '@millrace/contracts';

/** A frame of encoded video in pixels. */
export interface FrameSize {
  readonly width: number;
  readonly height: number;
}

/** A rung this little above the source's size is not above it: 1278x718 is a 720p source. */
const SIZE_TOLERANCE = 1.02;

/**
 * The frame of a rung for a source: the source's display aspect fitted into the rung's box, in even pixels, never larger than
 * the source.
 */
export function fitRung(rung: FrameSize, track: session.Track): FrameSize {
  const source = displaySize(track);
  const scale = Math.min(1, boxScale(rung, source));
  return {
    width: evenWithin(source.width * scale, Math.min(rung.width, source.width)),
    height: evenWithin(source.height * scale, Math.min(rung.height, source.height)),
  };
}

/** The encoded rungs of a session: those that need no upscaling; the smallest alone where all would. */
export function rungsForSource(
  ladder: readonly session.Rung[],
  track: session.Track,
): readonly session.Rung[] {
  const encoded = ladder.filter((rung) => !rung.isSource);
  const source = displaySize(track);
  const fitting = encoded.filter((rung) => boxScale(rung, source) <= SIZE_TOLERANCE);
  return fitting.length > 0 ? fitting : encoded.toSorted((a, b) => area(a) - area(b)).slice(0, 1);
}

function displaySize({ width, height, sampleAspectRatio }: session.Track): FrameSize {
  const aspect =
    sampleAspectRatio === undefined ? 1 : sampleAspectRatio.numerator / sampleAspectRatio.denominator;
  return {
    width: Math.max(2, width * (aspect > 0 && Number.isFinite(aspect) ? aspect : 1)),
    height: Math.max(2, height),
  };
}

function boxScale(box: FrameSize, source: FrameSize): number {
  return Math.min(box.width / source.width, box.height / source.height);
}

/** The nearest even size; never above the limit. */
function evenWithin(size: number, limit: number): number {
  return Math.min(Math.max(2, 2 * Math.round(size / 2)), 2 * Math.floor(limit / 2));
}

function area({ width, height }: FrameSize): number {
  return width * height;
}
