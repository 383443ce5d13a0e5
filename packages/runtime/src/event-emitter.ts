import { randomFillSync } from 'node:crypto';
import { ulid } from 'ulid';
import type { MillraceEvent } from '@millrace/contracts';
import type { Clock } from './clock.ts';
import type { EventBus, EventEmitter } from './ports/event-bus.ts';

/** Random bytes that are not used yet: asked for one by one, as `ulid` does, they took an eighth of the CPU of a passed-through session. */
const random = Buffer.alloc(4096);
let used = random.length;

/** A random fraction with 8 bits, of which a ULID needs 5 for each character. */
function randomFraction(): number {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  used += 1;
  return random.readUInt8(used - 1) / 256;
}

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
        id: ulid(timeMs, randomFraction),
        source,
        timeMs,
        subject: 'sessionId' in data ? data.sessionId : '',
        channel: data.channel,
        event,
      });
    },
  };
}
