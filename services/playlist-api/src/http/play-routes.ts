import type { session } from '@millrace/contracts';
import { marshalMpd } from '@millrace/media';
import type { Clock } from '@millrace/runtime';
import { Router } from 'express';
import type { Request, Response } from 'express';
import type { ChannelRecords } from '../domain/channel-store.ts';
import { multivariantPlaylist } from '../domain/multivariant.ts';
import { decidePlayback } from '../domain/playback.ts';
import type { Playback } from '../domain/playback.ts';
import { presentationMpd } from '../domain/presentation-mpd.ts';
import type { SessionMirror } from '../domain/session-mirror.ts';
import type { SessionView } from '../domain/session-view.ts';
import type { PlaylistApiMetrics } from '../metrics.ts';
import { publicReadOnly } from './cors.ts';
import { problemOf, sendProblem } from './problem.ts';
import { renderBody } from './rendered-body.ts';
import type { RenderedBody } from './rendered-body.ts';
import { sendRendered } from './static-body.ts';

const HLS = 'application/vnd.apple.mpegurl';
const DASH = 'application/dash+xml';

interface PlayObject {
  readonly contentType: string;
  readonly marshal: (view: SessionView, presentation: session.Presentation) => string;
}

const OBJECTS: ReadonlyMap<string, PlayObject> = new Map([
  [
    'index.m3u8',
    { contentType: HLS, marshal: (view, p) => multivariantPlaylist(view.record.sessionId, p, 'fmp4') },
  ],
  [
    'ts.m3u8',
    { contentType: HLS, marshal: (view, p) => multivariantPlaylist(view.record.sessionId, p, 'ts') },
  ],
  [
    'manifest.mpd',
    { contentType: DASH, marshal: (view, p) => marshalMpd(presentationMpd(view, p, 'timeline')) },
  ],
  [
    'manifest-number.mpd',
    { contentType: DASH, marshal: (view, p) => marshalMpd(presentationMpd(view, p, 'number')) },
  ],
]);

/** Serves `/play/<channel>/…`: multivariant playlists and MPDs, from the mirror alone. */
export function playRoutes(options: {
  readonly mirror: SessionMirror;
  readonly channels: Pick<ChannelRecords, 'getChannel'>;
  readonly clock: Clock;
  readonly metrics: PlaylistApiMetrics;
  readonly holdMs: number;
  readonly maxHeldRequests: number;
  readonly stopping: AbortSignal;
}): Router {
  const { mirror, clock } = options;
  const rendered = new WeakMap<SessionView, Map<string, RenderedBody>>();
  let heldRequests = 0;

  const bodyOf = (
    view: SessionView,
    name: string,
    object: PlayObject,
    p: session.Presentation,
  ): RenderedBody => {
    const known = rendered.get(view) ?? new Map<string, RenderedBody>();
    rendered.set(view, known);
    const body = known.get(name) ?? renderBody(object.marshal(view, p));
    known.set(name, body);
    return body;
  };

  /** Waits while the channel's session is starting; false when too many wait already. */
  const awaitStart = async (channel: string, response: Response): Promise<boolean> => {
    if (heldRequests >= options.maxHeldRequests) return false;
    heldRequests += 1;
    options.metrics.heldRequests.set(heldRequests);
    const gone = new AbortController();
    const leave = (): void => gone.abort();
    const timer = setTimeout(leave, options.holdMs);
    response.once('close', leave);
    options.stopping.addEventListener('abort', leave);
    try {
      while (!gone.signal.aborted && decidePlayback(mirror.currentOf(channel), clock()) === 'starting') {
        await mirror.nextChange(channel, gone.signal);
      }
    } finally {
      clearTimeout(timer);
      response.off('close', leave);
      options.stopping.removeEventListener('abort', leave);
      heldRequests -= 1;
      options.metrics.heldRequests.set(heldRequests);
    }
    return true;
  };

  const router = Router({ caseSensitive: true, strict: true });
  router.use(publicReadOnly);
  router.get('/:channel/:object', async (request: Request<{ channel: string; object: string }>, response) => {
    const { channel, object: name } = request.params;
    const object = OBJECTS.get(name);
    if (object === undefined) {
      sendProblem(
        response,
        problemOf(
          404,
          'PLAYLIST_API_PATH_UNKNOWN',
          `A channel has ${[...OBJECTS.keys()].join(', ')} and nothing else.`,
        ),
      );
      return;
    }
    if (
      decidePlayback(mirror.currentOf(channel), clock()) === 'starting' &&
      !(await awaitStart(channel, response))
    ) {
      response.set('Retry-After', '1');
      sendProblem(
        response,
        problemOf(503, 'PLAYLIST_API_BUSY', 'Too many viewers wait for a start: try again in a second.'),
      );
      return;
    }
    if (response.destroyed) return;
    const view = mirror.currentOf(channel);
    const playback = decidePlayback(view, clock());
    const presentation = view?.record.presentation;
    if (playback === 'serve' && view !== undefined && presentation !== undefined) {
      sendRendered(request, response, bodyOf(view, name, object, presentation), {
        contentType: object.contentType,
        cacheControl: 'max-age=1',
      });
      return;
    }
    const isKnown = view !== undefined || (await options.channels.getChannel(channel)) !== undefined;
    refuse(response, channel, playback, isKnown);
  });
  return router;
}

function refuse(response: Response, channel: string, playback: Playback, isKnown: boolean): void {
  switch (playback) {
    case 'gone':
      sendProblem(
        response,
        problemOf(410, 'PLAYLIST_API_SESSION_GONE', `The last session of ${channel} is over.`),
      );
      return;
    case 'starting':
      response.set('Retry-After', '1');
      sendProblem(
        response,
        problemOf(404, 'PLAYLIST_API_STARTING', `Channel ${channel} is starting: try again in a second.`),
      );
      return;
    case 'serve':
    case 'not-live':
      sendProblem(
        response,
        isKnown
          ? problemOf(404, 'PLAYLIST_API_NOT_LIVE', `Channel ${channel} is not live: start its encoder.`)
          : problemOf(404, 'PLAYLIST_API_CHANNEL_UNKNOWN', `There is no channel ${channel}: check the name.`),
      );
  }
}
