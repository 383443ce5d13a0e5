import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Registry } from 'prom-client';
import { createLogger } from './logger.ts';
import { createGuardMetrics, createOutboundGuard } from './outbound-guard.ts';
import type { OutboundGuard } from './outbound-guard.ts';
import { ServiceError } from './service-error.ts';

const AWAY = new ServiceError('UNAVAILABLE', 'AWAY', 'away', { retryable: true });

let registry: Registry;
let guard: OutboundGuard;
let lines: string[];

beforeEach(() => {
  jest.useFakeTimers();
  registry = new Registry();
  lines = [];
  const destination = { write: (line: string) => void lines.push(line) };
  guard = createOutboundGuard({
    ...{ peer: 'control', metrics: createGuardMetrics(registry) },
    logger: createLogger({ service: 'test', level: 'info', destination }),
  });
});
afterEach(() => {
  jest.useRealTimers();
});

/** The outcome of a call, with all its waits. */
async function outcome(call: () => Promise<string>): Promise<string> {
  const made = guard(call).catch((error: ServiceError) => error.id);
  await jest.advanceTimersByTimeAsync(5000);
  return made;
}

async function states(): Promise<Record<string, number>> {
  const { values = [] } = (await registry.getSingleMetric('millrace_outbound_circuit_state')?.get()) ?? {};
  return Object.fromEntries(values.map(({ labels, value }) => [labels['state'], value]));
}

describe('calls off the live path', () => {
  test('what may succeed a moment later is tried again, three times at most', async () => {
    const call = jest.fn<() => Promise<string>>().mockRejectedValueOnce(AWAY).mockResolvedValue('answer');
    expect(await outcome(call)).toBe('answer');
    expect(call).toHaveBeenCalledTimes(2);
    const never = jest.fn<() => Promise<string>>().mockRejectedValue(AWAY);
    expect(await outcome(never)).toBe('AWAY');
    expect(never).toHaveBeenCalledTimes(3);
  });

  test('what another try would not change is told at once, and breaks nothing', async () => {
    const refused = jest
      .fn<() => Promise<string>>()
      .mockRejectedValue(new ServiceError('NOT_FOUND', 'NO', 'no'));
    for (let round = 0; round < 10; round += 1) expect(await outcome(refused)).toBe('NO');
    expect(refused).toHaveBeenCalledTimes(10);
    expect(await states()).toEqual({ closed: 1, half_open: 0, open: 0 });
  });

  test('after five failures in a row nobody is asked; every 2 s one is, and the first success lets all through', async () => {
    const away = jest.fn<() => Promise<string>>().mockRejectedValue(AWAY);
    const first = guard(away).catch(() => undefined);
    await jest.advanceTimersByTimeAsync(1500);
    const second = guard(away).catch((error: ServiceError) => error.id);
    await jest.advanceTimersByTimeAsync(1500);
    await first;
    expect(await second).toBe('OUTBOUND_CIRCUIT_OPEN');
    expect(away).toHaveBeenCalledTimes(5);
    expect(await states()).toEqual({ closed: 0, half_open: 0, open: 1 });
    expect(lines.join('')).toContain('for 2 s each nobody is asked');

    await jest.advanceTimersByTimeAsync(2000);
    const back = jest.fn<() => Promise<string>>().mockResolvedValue('answer');
    expect(await outcome(back)).toBe('answer');
    expect(await states()).toEqual({ closed: 1, half_open: 0, open: 0 });
    expect(lines.join('')).toContain('Calls succeed again');
  });
});
