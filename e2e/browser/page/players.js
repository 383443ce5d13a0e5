/* global Hls, shaka, dashjs */

/** What the test reads. */
window.seen = { errors: [], stalls: [], heights: [], firstFrameMs: 0, longestFreezeMs: 0 };

const video = document.getElementById('video');

/** Starts one of the players; gives how to force a height. */
const PLAYERS = {
  hls(url) {
    const hls = new Hls({ startLevel: 0 });
    hls.on(Hls.Events.ERROR, (_event, { fatal, type, details }) => {
      if (fatal) window.seen.errors.push(`${type} ${details}`);
    });
    hls.loadSource(url);
    hls.attachMedia(video);
    return {
      heights: () => hls.levels.map(({ height }) => height),
      // The next segment, without throwing away what is buffered.
      force: (height) => {
        hls.nextLevel = hls.levels.findIndex((level) => level.height === height);
      },
    };
  },
  async shaka(url) {
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    await player.attach(video);
    player.addEventListener('error', ({ detail }) => {
      if (detail.severity === 2) window.seen.errors.push(`${detail.category} ${detail.code}`);
    });
    player.configure({ abr: { enabled: false } });
    await player.load(url);
    return {
      heights: () => player.getVariantTracks().map(({ height }) => height),
      force: (height) =>
        player.selectVariantTrack(player.getVariantTracks().find((track) => track.height === height)),
    };
  },
  dashjs(url) {
    const player = dashjs.MediaPlayer().create();
    player.on(dashjs.MediaPlayer.events.ERROR, ({ error }) => {
      window.seen.errors.push(`${error.code} ${error.message}`);
    });
    player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false } } } });
    player.initialize(video, url, true);
    const list = () => player.getRepresentationsByType('video');
    return {
      heights: () => list().map(({ height }) => height),
      force: (height) =>
        player.setRepresentationForTypeById('video', list().find((known) => known.height === height).id),
    };
  },
};

video.addEventListener('playing', () => {
  if (window.seen.firstFrameMs === 0) window.seen.firstFrameMs = performance.now();
});
video.addEventListener('waiting', () => {
  if (window.seen.firstFrameMs > 0) window.seen.stalls.push(video.currentTime);
});

let lastTime = 0;
let lastMoveMs = 0;
setInterval(() => {
  const nowMs = performance.now();
  if (window.seen.firstFrameMs === 0 || video.currentTime !== lastTime) lastMoveMs = nowMs;
  lastTime = video.currentTime;
  window.seen.longestFreezeMs = Math.max(window.seen.longestFreezeMs, nowMs - lastMoveMs);
  const { videoHeight } = video;
  if (videoHeight > 0 && !window.seen.heights.includes(videoHeight)) window.seen.heights.push(videoHeight);
}, 50);

/** Starts to play; resolves when the player has taken the URL. */
window.startPlayer = async (name, url) => {
  window.player = await PLAYERS[name](url);
  // dash.js plays by itself; it updates the MPD only after a `play` event that it has seen.
  if (name !== 'dashjs') await video.play().catch(() => undefined);
};

/** What was seen so far. */
window.look = () => ({
  ...window.seen,
  nowMs: performance.now(),
  currentTime: video.currentTime,
  height: video.videoHeight,
  availableHeights: window.player?.heights() ?? [],
  frames: video.getVideoPlaybackQuality().totalVideoFrames,
  audioBytes: video.webkitAudioDecodedByteCount,
});
