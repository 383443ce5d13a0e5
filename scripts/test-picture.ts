/**
 * The test picture: a moving pattern, a UTC clock in digits for people, and along the top edge 40 black or white blocks for
 * programs: UTC in ms modulo 2^32, most significant bit first, then a checksum (XOR of the four bytes).
 *
 * Everything is drawn by boxes that switch on by an expression of the frame's wall-clock time, so that any ffmpeg can make
 * it: no font, no plug-in.
 */

const TIME_BITS = 32;
const CHECKSUM_BITS = 8;
/** Number of blocks along the top edge. */
export const BLOCK_COUNT = TIME_BITS + CHECKSUM_BITS;

/** Milliseconds since 1970 modulo 2^32; inside, `t` is the wall clock in seconds. */
const WALL_MS = 'mod(floor(t*1000+0.5),4294967296)';

function timeBit(index: number): string {
  return `mod(floor(${WALL_MS}/${2 ** (TIME_BITS - 1 - index)}),2)`;
}

function blockBit(index: number): string {
  if (index < TIME_BITS) return timeBit(index);
  const bit = index - TIME_BITS;
  return `mod(${[0, 8, 16, 24].map((byte) => timeBit(byte + bit)).join('+')},2)`;
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

function drawBox(box: Box, color: string, enable?: string): string {
  const position = `x=${box.x}:y=${box.y}:w=${box.width}:h=${box.height}`;
  return `drawbox=${position}:color=${color}:t=fill${enable === undefined ? '' : `:enable='${enable}'`}`;
}

function blocks(width: number, height: number): string[] {
  const blockHeight = Math.ceil(height / 18);
  const edge = (index: number): number => Math.round((index * width) / BLOCK_COUNT);
  const filters = [drawBox({ x: 0, y: 0, width, height: blockHeight }, 'black')];
  for (let index = 0; index < BLOCK_COUNT; index += 1) {
    const box = { x: edge(index), y: 0, width: edge(index + 1) - edge(index), height: blockHeight };
    filters.push(drawBox(box, 'white', blockBit(index)));
  }
  return filters;
}

/** Segments a to g of a seven-segment digit, as [x, y, width, height] in a cell of 4 by 7, and the digits that light each. */
const SEGMENTS: readonly (readonly [x: number, y: number, width: number, height: number, digits: string])[] =
  [
    [0, 0, 4, 1, '02356789'],
    [3, 0, 1, 4, '01234789'],
    [3, 3, 1, 4, '013456789'],
    [0, 6, 4, 1, '0235689'],
    [0, 3, 1, 4, '0268'],
    [0, 0, 1, 4, '045689'],
    [0, 3, 4, 1, '2345689'],
  ];

/** What each digit of HH:MM:SS shows, as an expression of the wall clock in seconds. */
const CLOCK_DIGITS: readonly string[] = [
  'floor(mod(floor(t/3600),24)/10)',
  'mod(mod(floor(t/3600),24),10)',
  'mod(floor(t/600),6)',
  'mod(floor(t/60),10)',
  'mod(floor(t/10),6)',
  'mod(floor(t),10)',
];

function clock(width: number, height: number): string[] {
  const unit = Math.max(2, Math.floor(height / 60));
  const cell = 6 * unit;
  const left = Math.round((width - 7 * cell) / 2);
  const top = Math.round(height * 0.78);
  const frame = { x: left - 2 * unit, y: top - 2 * unit, width: 7 * cell + 3 * unit, height: 11 * unit };
  const filters = [drawBox(frame, 'black@0.7')];
  for (const [digit, shown] of CLOCK_DIGITS.entries()) {
    // Half a cell of space stands where a clock has its colons.
    const digitLeft = left + digit * cell + Math.floor(digit / 2) * Math.floor(cell / 2);
    for (const [x, y, segmentWidth, segmentHeight, lit] of SEGMENTS) {
      const box = {
        x: digitLeft + x * unit,
        y: top + y * unit,
        width: segmentWidth * unit,
        height: segmentHeight * unit,
      };
      const enable = [...lit].map((value) => `eq(${shown},${value})`).join('+');
      filters.push(drawBox(box, 'white', enable));
    }
  }
  return filters;
}

/** How the picture is to be published. */
export interface TestPicture {
  readonly width: number;
  readonly height: number;
  /** Frames per second. */
  readonly frameRate: number;
  /** Target rate of the picture in bits per second. */
  readonly bitrateBps: number;
  /** Distance of keyframes in seconds. */
  readonly keyframeSeconds: number;
  /** Where to publish: an RTMP URL with its key. */
  readonly url: string;
}

/** Arguments for an ffmpeg that publishes the test picture with a tone, in real time, until it is stopped. */
export function testPictureArguments(picture: TestPicture): string[] {
  const { width, height, frameRate } = picture;
  const video = [
    `testsrc2=size=${width}x${height}:rate=${frameRate}`,
    'realtime',
    // The clock is read when the frame is due; the boxes see it as `t`, then the frames get their even spacing back.
    'settb=1/1000',
    "setpts='RTCTIME/1000'",
    ...blocks(width, height),
    ...clock(width, height),
    `settb=1/${frameRate}`,
    'setpts=N',
    'format=yuv420p[v]',
  ].join(',');
  const audio =
    "aevalsrc='0.2*sin(440*2*PI*t)*lt(mod(t,1),0.1)|0.05*sin(220*2*PI*t)':sample_rate=48000,arealtime[a]";
  const gop = String(Math.round(frameRate * picture.keyframeSeconds));
  const rate = String(picture.bitrateBps);
  return [
    ...['-hide_banner', '-loglevel', 'error', '-nostdin'],
    ...['-filter_complex', `${video};${audio}`, '-map', '[v]', '-map', '[a]'],
    ...['-r', String(frameRate), '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency'],
    ...[
      '-g',
      gop,
      '-keyint_min',
      gop,
      '-sc_threshold',
      '0',
      '-b:v',
      rate,
      '-maxrate',
      rate,
      '-bufsize',
      rate,
    ],
    ...['-c:a', 'aac', '-b:a', '96k', '-f', 'flv', picture.url],
  ];
}
