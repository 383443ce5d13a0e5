/** The clock in the test picture: 40 blocks of equal width along the top edge, white for 1, H/18 high. */
const TIME_BITS = 32;
const BLOCKS = 40;
const ROWS = 18;
const WRAP = 2 ** TIME_BITS;
/** What is believed: a publisher's clock may be a little ahead; nothing live is older than ten minutes. */
const EARLIEST_MS = -2000;
const LATEST_MS = 600_000;

/**
 * Decodes the brightness of the 40 blocks (0 to 255): bits 0 to 31 are UTC in ms modulo 2^32, most significant first,
 * bits 32 to 39 the XOR of its four bytes.
 *
 * @param {readonly number[]} brightness
 * @returns {number | undefined} UTC in ms modulo 2^32; undefined when the checksum is wrong
 */
export function decodeBlocks(brightness) {
  if (brightness.length !== BLOCKS) return undefined;
  const bytes = [0, 0, 0, 0, 0];
  for (const [index, value] of brightness.entries()) {
    const byte = Math.floor(index / 8);
    bytes[byte] = (bytes[byte] ?? 0) * 2 + (value >= 128 ? 1 : 0);
  }
  const [a = 0, b = 0, c = 0, d = 0, checksum] = bytes;
  return (a ^ b ^ c ^ d) === checksum ? a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d : undefined;
}

/**
 * How long ago a stamp was drawn.
 *
 * @param {number} stamp UTC in ms modulo 2^32
 * @param {number} nowMs
 * @returns {number | undefined} ms; undefined for what cannot be true, as when a black picture passes for a stamp
 */
export function latencyOf(stamp, nowMs) {
  const behind = (((nowMs - stamp) % WRAP) + WRAP) % WRAP;
  const latency = behind > WRAP / 2 ? behind - WRAP : behind;
  return latency >= EARLIEST_MS && latency <= LATEST_MS ? latency : undefined;
}

/** Reads the clock from a playing video. */
export class PictureClock {
  #canvas = document.createElement('canvas');

  /**
   * @param {HTMLVideoElement} video
   * @param {number} nowMs
   * @returns {number | undefined} latency in ms; undefined when the picture has no clock
   */
  read(video, nowMs) {
    const width = video.videoWidth;
    const height = Math.floor(video.videoHeight / ROWS);
    if (width < BLOCKS || height < 1) return undefined;
    this.#canvas.width = width;
    this.#canvas.height = height;
    const context = this.#canvas.getContext('2d', { willReadFrequently: true });
    if (context === null) return undefined;
    context.drawImage(video, 0, 0, width, height, 0, 0, width, height);
    const y = Math.floor(height / 2);
    const { data } = context.getImageData(0, y, width, 1);
    const brightness = Array.from({ length: BLOCKS }, (_, index) => {
      const x = Math.floor(((index + 0.5) * width) / BLOCKS);
      return ((data[4 * x] ?? 0) + (data[4 * x + 1] ?? 0) + (data[4 * x + 2] ?? 0)) / 3;
    });
    const stamp = decodeBlocks(brightness);
    return stamp === undefined ? undefined : latencyOf(stamp, nowMs);
  }
}
