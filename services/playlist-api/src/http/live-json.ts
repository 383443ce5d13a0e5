import type { PlaylistApiConfig } from '../config.ts';
import type { ChannelStore } from '../domain/channel-store.ts';
import type { SessionMirror } from '../domain/session-mirror.ts';
import { isPlayable, isRunning } from '../domain/session-view.ts';
import { playbackOf, stateOf } from './representations.ts';

/** What everybody may know: the channels that run, and where encoders publish to. No secrets. */
export async function liveJson(dependencies: {
  readonly config: PlaylistApiConfig;
  readonly store: Pick<ChannelStore, 'getChannel'>;
  readonly mirror: SessionMirror;
}) {
  const { config, store, mirror } = dependencies;
  const { publicHost, publicPort, apps } = config.rtmp;
  const running = mirror
    .list()
    .filter(({ record }) => isRunning(record) && mirror.currentOf(record.channel)?.record === record)
    .toSorted((a, b) => (a.record.channel < b.record.channel ? -1 : 1));
  return {
    rtmp: { ...(publicHost === '' ? {} : { host: publicHost }), port: publicPort, app: apps[0] ?? '' },
    channels: await Promise.all(
      running.map(async (view) => ({
        name: view.record.channel,
        title: (await store.getChannel(view.record.channel))?.settings.title ?? '',
        sessionId: view.record.sessionId,
        state: stateOf(view.record),
        isPlayable: isPlayable(view),
        startedAt: new Date(view.record.openedAtMs).toISOString(),
        playback: playbackOf(view.record.channel),
      })),
    ),
  };
}
