import Hls from './hls.js';
import { PictureClock } from './picture-clock.js';

const RETRY_MS = 1500;

/** Plays one channel in a video element; survives gaps, and tells when there is nothing to play. */
export class Player {
  #video;
  #events;
  #clock = new PictureClock();
  #hls;
  #url;
  #retry;

  /**
   * @param {HTMLVideoElement} video
   * @param {{ onPlaying: () => void, onTrouble: (message: string) => void, onLevels: (levels: string[]) => void }} events
   */
  constructor(video, events) {
    this.#video = video;
    this.#events = events;
    video.addEventListener('playing', () => events.onPlaying());
    video.addEventListener('ended', () => events.onTrouble('The stream has ended.'));
  }

  /** Starts to play a multivariant playlist, in place of what plays now. */
  play(url) {
    this.stop();
    this.#url = url;
    if (Hls.isSupported()) this.#attach(url);
    else if (this.#video.canPlayType('application/vnd.apple.mpegurl') !== '') this.#playNatively(url);
    else this.#events.onTrouble('This browser cannot play live video: try a current one.');
  }

  /** Stops and lets go of everything. */
  stop() {
    clearTimeout(this.#retry);
    this.#hls?.destroy();
    this.#hls = undefined;
    this.#url = undefined;
    this.#video.removeAttribute('src');
    this.#video.load();
    this.#events.onLevels([]);
  }

  /** Chooses a quality by its place in the list that `onLevels` gave; -1 leaves it to the player. */
  chooseLevel(index) {
    if (this.#hls !== undefined) this.#hls.currentLevel = index;
  }

  /**
   * What is playing now.
   *
   * @param {number} nowMs the server's time
   */
  facts(nowMs) {
    const { videoWidth, videoHeight } = this.#video;
    const level = this.#hls?.levels[this.#hls.currentLevel];
    const measured = this.#clock.read(this.#video, nowMs);
    const estimate = this.#hls?.latency;
    return {
      resolution: videoWidth > 0 ? { width: videoWidth, height: videoHeight } : undefined,
      bitrateBps: level?.bitrate,
      latencyMs: measured ?? (estimate !== undefined && estimate > 0 ? estimate * 1000 : undefined),
      isLatencyMeasured: measured !== undefined,
    };
  }

  #attach(url) {
    // The page's content security policy has no place for a worker made from a blob; fMP4 needs none.
    const hls = new Hls({ enableWorker: false, backBufferLength: 30, liveDurationInfinity: true });
    this.#hls = hls;
    hls.on(Hls.Events.MANIFEST_PARSED, (_event, { levels }) => {
      this.#events.onLevels(levels.map((level) => (level.height > 0 ? `${level.height}p` : 'audio')));
      this.#start();
    });
    hls.on(Hls.Events.ERROR, (_event, { fatal, type, response }) => {
      if (!fatal) return;
      if (type === Hls.ErrorTypes.MEDIA_ERROR) {
        hls.recoverMediaError();
        return;
      }
      const isNotLive = response?.code === 404 || response?.code === 410;
      this.#events.onTrouble(
        isNotLive ? 'This channel is not live.' : 'The stream was cut off; trying again…',
      );
      this.#retry = setTimeout(() => this.#url === url && this.play(url), RETRY_MS);
    });
    hls.loadSource(url);
    hls.attachMedia(this.#video);
  }

  #playNatively(url) {
    this.#video.src = url;
    this.#start();
  }

  #start() {
    this.#video.play().catch(() => {
      if (this.#url !== undefined) this.#events.onTrouble('Press play to start.');
    });
  }
}
