import type { z } from 'zod';
import { ConfigError, loadConfig } from './config.ts';
import { formatHelp } from './config-reference.ts';
import { ServiceError } from './service-error.ts';
import type { Stoppable } from './stop-in-order.ts';

const STOP_DEADLINE_MS = 8000;

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type StopSignal = (typeof STOP_SIGNALS)[number];

/** What a service gives to whoever runs it as a process. */
export interface RunningService extends Stoppable {
  /** Hands over what others can go on with, within a time of its own; everything else goes on meanwhile. */
  drain?(): Promise<void>;
}

/**
 * Runs a service as a process: configuration, start, signals, exit codes; called by `main.ts` and by nothing else.
 *
 * Exit codes: 0 stopped as asked; 1 failed while running; 2 cannot start (one sentence on standard error says why and what
 * to do). SIGINT and a closed terminal (SIGHUP) stop it; so does SIGTERM, after what it can hand over was handed over. A second
 * signal ends it at once.
 */
export async function runService<S extends z.ZodObject>(options: {
  readonly service: string;
  readonly schema: S;
  readonly start: (config: z.infer<S>) => Promise<RunningService>;
}): Promise<void> {
  const argv = process.argv.slice(2);
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(formatHelp(options.service, options.schema));
    return;
  }
  const stopRequested = awaitSignal();
  try {
    const config = loadConfig(options.schema, { service: options.service, argv, env: process.env });
    // Who is told to end while it waits for what it needs ends at once: nothing depends on it yet.
    const running = await Promise.race([options.start(config), stopRequested.then(() => undefined)]);
    if (running === undefined) process.exit(0);
    if ((await stopRequested) === 'SIGTERM') await running.drain?.();
    await running.stop(STOP_DEADLINE_MS);
    // Whatever still holds the event loop has outlived its owner; the deadline has been given to it.
    process.exit(0);
  } catch (error) {
    // Everything there is to set first: what is wrong is what is read last.
    if (error instanceof ConfigError)
      process.stderr.write(`${formatHelp(options.service, options.schema)}\n`);
    if (error instanceof ConfigError || error instanceof ServiceError) {
      process.stderr.write(`${error.message}\n`);
      process.exit(2);
    }
    process.stderr.write(
      `${options.service} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exit(1);
  }
}

/** Resolves at the first signal that asks to stop; the second one ends the process at once. */
function awaitSignal(): Promise<StopSignal> {
  return new Promise((resolve) => {
    let signals = 0;
    for (const signal of STOP_SIGNALS) {
      process.on(signal, () => {
        signals += 1;
        if (signals > 1) process.exit(1);
        resolve(signal);
      });
    }
  });
}
