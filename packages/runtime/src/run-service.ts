import type { z } from 'zod';
import { ConfigError, loadConfig } from './config.ts';
import { formatHelp } from './config-reference.ts';
import { ServiceError } from './service-error.ts';
import type { Stoppable } from './stop-in-order.ts';

const STOP_DEADLINE_MS = 8000;

/**
 * Runs a service as a process: configuration, start, signals, exit codes; called by `main.ts` and by nothing else.
 *
 * Exit codes: 0 stopped as asked; 1 failed while running; 2 cannot start (one sentence on standard error says why and what
 * to do). SIGINT, SIGTERM and a closed terminal (SIGHUP) stop it; a second signal ends it at once.
 */
export async function runService<S extends z.ZodObject>(options: {
  readonly service: string;
  readonly schema: S;
  readonly start: (config: z.infer<S>) => Promise<Stoppable>;
}): Promise<void> {
  const argv = process.argv.slice(2);
  if (argv.includes('--help')) {
    process.stdout.write(formatHelp(options.service, options.schema));
    return;
  }
  const stopRequested = awaitSignal();
  try {
    const config = loadConfig(options.schema, { service: options.service, argv, env: process.env });
    const running = await options.start(config);
    await stopRequested;
    await running.stop(STOP_DEADLINE_MS);
    // Whatever still holds the event loop has outlived its owner; the deadline has been given to it.
    process.exit(0);
  } catch (error) {
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
function awaitSignal(): Promise<void> {
  return new Promise((resolve) => {
    let signals = 0;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        signals += 1;
        if (signals > 1) process.exit(1);
        resolve();
      });
    }
  });
}
