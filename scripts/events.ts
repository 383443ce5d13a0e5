/**
 * Prints what happens from now on, one line of JSON an event, until ctrl-C: a consumer of the topic `millrace.events.v1`.
 *
 *   --kafka.brokers HOST:PORT,...   or KAFKA_BROKERS; the other settings of `kafka` too (--help)
 *
 * Exit codes: 0 stopped as asked, 2 the configuration cannot be used (each problem is named).
 */
import { Registry } from 'prom-client';
import {
  createLogger,
  eventBusConfigSchema,
  KafkaEventBus,
  runService,
  ServiceError,
} from '../packages/runtime/src/index.ts';

const SERVICE = 'events';

await runService({
  service: SERVICE,
  schema: eventBusConfigSchema,
  async start({ kafka, events }) {
    if (kafka.brokers.length === 0) {
      throw new ServiceError(
        'INVALID_ARGUMENT',
        'KAFKA_BROKERS_MISSING',
        'events: no brokers are named: set KAFKA_BROKERS (scripts/dependencies up prints it) or --kafka.brokers',
      );
    }
    const bus = new KafkaEventBus({
      kafka,
      // Who only reads makes no topics.
      events: { ...events, manageTopics: false },
      service: SERVICE,
      instance: String(process.pid),
      logger: createLogger({ service: SERVICE, level: 'warn' }),
      registry: new Registry(),
    });
    bus.subscribe(({ event, timeMs, ...attributes }) => {
      const time = new Date(timeMs).toISOString();
      process.stdout.write(
        `${JSON.stringify({ time, type: event.type, ...attributes, data: event.data })}\n`,
      );
    });
    bus.start();
    void bus.listening.then(() => process.stderr.write('Listening; ctrl-C ends it.\n'));
    return bus;
  },
});
