import { pino } from 'pino';
import type { DestinationStream, Logger } from 'pino';

export type { Logger } from 'pino';

/** Least severe level that is written. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/**
 * Makes a service's JSON logger: one line an entry on standard error, with the service's name and ISO time.
 *
 * Standard error, because standard output belongs to what a person or a script asked the program to print.
 */
export function createLogger(options: {
  readonly service: string;
  readonly level: LogLevel;
  /** Where lines go; standard error when absent. */
  readonly destination?: DestinationStream;
}): Logger {
  return pino(
    {
      level: options.level,
      base: { service: options.service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // The last line of defence; nothing should hand a secret to the logger in the first place.
      redact: { paths: ['streamKey', 'token', 'adminToken', '*.streamKey', '*.adminToken'], remove: true },
    },
    options.destination ?? pino.destination({ fd: 2, sync: false }),
  );
}
