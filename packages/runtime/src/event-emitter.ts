import { ulid } from 'ulid';
import type { MillraceEvent } from '@millrace/contracts';
import type { Clock } from './clock.ts';
import type { EventBus, EventEmitter } from './ports/event-bus.ts';

/** Makes the emitter of one service instance: it adds the attributes that an envelope needs and the event does not have. */
export function createEventEmitter(
  bus: EventBus,
  options: { readonly service: string; readonly instance: string; readonly clock: Clock },
): EventEmitter {
  const source = `/${options.service}/${options.instance}`;
  return {
    emit(event: MillraceEvent): void {
      const data = event.data;
      const timeMs = options.clock();
      bus.publish({
        id: ulid(timeMs),
        source,
        timeMs,
        subject: 'sessionId' in data ? data.sessionId : '',
        channel: data.channel,
        event,
      });
    },
  };
}
