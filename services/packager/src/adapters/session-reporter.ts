import type { EventEmitter, Logger } from '@millrace/runtime';
import { RateWatch } from '../domain/rate-watch.ts';
import type { RateExceeded } from '../domain/rate-watch.ts';
import type { RenditionWindow } from '../domain/rendition-window.ts';
import type { SessionObserver, SessionWindow } from '../domain/session-window.ts';
import type { StoredSegment } from '../domain/stored-segment.ts';
import type { PackagerMetrics } from '../metrics.ts';

/** Turns what happens to sessions into metrics, logs and events. */
export function createSessionReporter(options: {
  readonly metrics: PackagerMetrics;
  readonly events: EventEmitter;
  readonly logger: Logger;
}): Omit<SessionObserver, 'onFinished'> {
  const { metrics, events, logger } = options;
  const watches = new WeakMap<RenditionWindow, RateWatch>();

  const report = (window: SessionWindow, rendition: RenditionWindow, exceeded: RateExceeded): void => {
    metrics.rateExceeded.inc({ rate: exceeded.rate });
    const channel = window.record?.channel;
    if (!exceeded.isFirst || channel === undefined) return;
    const { renditionId } = rendition;
    const message =
      `The ${exceeded.rate} rate of ${renditionId} is ${Math.round(exceeded.measuredBps / 1000)} kb/s, ` +
      `${Math.round(exceeded.declaredBps / 1000)} kb/s were declared; players may stall. Limit the encoder's rate.`;
    logger.warn({ sessionId: window.id, renditionId }, message);
    events.emit({
      type: 'InputWarning',
      data: { channel, sessionId: window.id, id: 'PACKAGER_RATE_ABOVE_DECLARED', message },
    });
  };

  const measure = (window: SessionWindow, rendition: RenditionWindow, segment: StoredSegment): void => {
    const declared = window.presentation?.renditions.find(({ id }) => id === rendition.renditionId);
    if (declared === undefined || segment.isGap) return;
    const known = watches.get(rendition);
    const watch = known ?? new RateWatch(window.presentation?.targetDurationSeconds ?? 0);
    if (known === undefined) {
      watches.set(rendition, watch);
      const { renditionId } = rendition;
      logger.info(
        { sessionId: window.id, renditionId, k: segment.k },
        'The first segment of a rendition is there',
      );
    }
    const seconds = segment.durationTicks / declared.timescale;
    for (const exceeded of watch.add(declared, segment.sizeBytes, seconds))
      report(window, rendition, exceeded);
  };

  return {
    onPartStored: () => metrics.parts.inc({ result: 'stored' }),
    onPartCopied: () => metrics.parts.inc({ result: 'copied' }),
    onDuplicate: () => metrics.parts.inc({ result: 'duplicate' }),
    onRefused: (reason) => metrics.refusals.inc({ reason }),
    onSegmentCompleted: measure,
  };
}
