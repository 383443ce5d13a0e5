import { setUpAdmin } from './admin.js';
import { clockOffsetMs, listLive } from './api.js';
import { formatBitrate, formatSeconds, serverUrl } from './format.js';
import { Player } from './player.js';

const LIST_MS = 2000;
const FACTS_MS = 500;
const CLOCK_MS = 60_000;

const byId = (id) => document.getElementById(id);
const video = byId('video');

/** Channels that are live, by name; undefined until the server answered. */
let live;
/** What is chosen: by the address, by a click, or the first channel that is live. */
let chosen = decodeURIComponent(location.hash.slice(1));
/** The session that plays: a channel that starts anew has another one. */
let playingSession;
let offsetMs = 0;

const player = new Player(video, {
  onPlaying: () => drawCurtain(''),
  onTrouble: (message) => drawCurtain(message),
  onLevels: (levels) => {
    byId('quality-label').hidden = levels.length < 2;
    byId('quality').replaceChildren(
      new Option('Auto', '-1'),
      ...levels.map((level, index) => new Option(level, String(index))),
    );
  },
});

function drawCurtain(message) {
  byId('message').textContent = message;
  byId('curtain').hidden = message === '';
}

function choose(name) {
  chosen = name;
  playingSession = undefined;
  history.replaceState(undefined, '', `#${encodeURIComponent(name)}`);
  follow();
  drawChannels();
}

/** Makes the player do what the list says about the chosen channel. */
function follow() {
  if (live === undefined) return;
  if (chosen === '') chosen = [...live.keys()][0] ?? '';
  const channel = live.get(chosen);
  byId('playing').textContent = chosen === '' ? 'Nothing is playing' : channel?.title || chosen;
  drawState(channel);
  if (channel === undefined) {
    if (playingSession !== undefined && !video.ended) return drawEnding();
    playingSession = undefined;
    player.stop();
    drawCurtain(
      chosen === '' ? 'No channel is live.' : `${chosen} is not live. It plays here as soon as it starts.`,
    );
  } else if (!channel.isPlayable) {
    drawCurtain(`${chosen} is starting…`);
  } else if (channel.sessionId !== playingSession) {
    playingSession = channel.sessionId;
    drawCurtain('Loading…');
    player.play(channel.playback.hls.slice(1));
  }
}

/** The session is over: what is buffered plays to its end, then the page says so. */
function drawEnding() {
  const { buffered } = video;
  const end = buffered.length > 0 ? buffered.end(buffered.length - 1) : 0;
  if (end - video.currentTime > 0.5 && !video.paused) return;
  playingSession = undefined;
  player.stop();
  drawCurtain(`${chosen} has ended. It plays here as soon as it starts again.`);
}

function drawState(channel) {
  const badge = byId('state');
  badge.hidden = channel === undefined;
  badge.dataset.state = channel?.state ?? '';
  badge.textContent = channel?.state === 'gap' ? 'encoder away' : 'live';
}

function drawChannels() {
  const list = byId('channels');
  const focused = document.activeElement?.dataset?.channel;
  list.replaceChildren(
    ...[...(live?.values() ?? [])].map((channel) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.dataset.channel = channel.name;
      button.setAttribute('aria-current', String(channel.name === chosen));
      const name = document.createElement('span');
      name.textContent = channel.title || channel.name;
      const badge = document.createElement('span');
      badge.className = 'badge';
      badge.dataset.state = channel.state;
      badge.textContent = channel.state === 'gap' ? 'away' : channel.isPlayable ? 'live' : 'starting';
      button.append(name, badge);
      button.addEventListener('click', () => choose(channel.name));
      const item = document.createElement('li');
      item.append(button);
      return item;
    }),
  );
  byId('no-channels').hidden = live === undefined || live.size > 0;
  if (focused !== undefined) list.querySelector(`[data-channel="${CSS.escape(focused)}"]`)?.focus();
}

let shown = '';

async function refreshList() {
  try {
    const { rtmp, channels } = await listLive();
    byId('connection').textContent = '';
    byId('server').value = serverUrl(rtmp, location.hostname);
    live = new Map(channels.map((channel) => [channel.name, channel]));
    // A list that has not changed is left alone, or the focus and screen readers would jump.
    const text = JSON.stringify(channels);
    if (text !== shown) drawChannels();
    shown = text;
    follow();
  } catch {
    byId('connection').textContent = 'The server does not answer; trying again…';
  }
}

function drawFacts() {
  const { resolution, bitrateBps, latencyMs, isLatencyMeasured } = player.facts(Date.now() + offsetMs);
  const isPlaying = playingSession !== undefined && resolution !== undefined;
  byId('resolution').textContent = isPlaying ? `${resolution.width} × ${resolution.height}` : '–';
  byId('bitrate').textContent = isPlaying && bitrateBps !== undefined ? formatBitrate(bitrateBps) : '–';
  const hasLatency = isPlaying && latencyMs !== undefined && !video.paused;
  byId('latency').textContent = hasLatency ? formatSeconds(latencyMs) : '–';
  byId('latency').dataset.source = !hasLatency ? 'none' : isLatencyMeasured ? 'picture' : 'estimate';
  byId('latency-source').textContent = !hasLatency
    ? ''
    : isLatencyMeasured
      ? 'measured in the picture'
      : 'an estimate';
}

async function every(ms, action) {
  for (;;) {
    await action();
    await new Promise((resolve) => setTimeout(resolve, ms));
  }
}

byId('quality').addEventListener('change', (event) => player.chooseLevel(Number(event.target.value)));
addEventListener('hashchange', () => choose(decodeURIComponent(location.hash.slice(1))));
setUpAdmin();
void every(LIST_MS, refreshList);
void every(FACTS_MS, async () => drawFacts());
void every(CLOCK_MS, async () => {
  offsetMs = await clockOffsetMs().catch(() => offsetMs);
});
