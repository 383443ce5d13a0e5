import { expect, test } from '@jest/globals';
import { MemoryInstanceDirectory } from './adapters/memory-instance-directory.ts';
import { createLogger } from './logger.ts';
import { keepRegistered } from './registration.ts';
import { eventually } from './testing/eventually.ts';

test('two instances of one name are told of by both, once', async () => {
  const directory = new MemoryInstanceDirectory({ clock: Date.now });
  const start = () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const registration = {
      ...{ kind: 'packager' as const, id: 'packager-1', address: '' },
      ...{ capacityUnits: 1, loadUnits: 0, isDraining: false },
    };
    const logger = createLogger({ service: 'test', level: 'warn', destination });
    return { lines, registered: keepRegistered(directory, () => registration, logger) };
  };
  const [one, other] = [start(), start()];
  try {
    await eventually(() => one.lines.length > 0 && other.lines.length > 0);
    // Another second: it is said once.
    await new Promise((resolve) => setTimeout(resolve, 1200));
    for (const { lines } of [one, other]) {
      expect(lines).toHaveLength(1);
      expect(lines[0]).toContain('Another packager calls itself packager-1');
    }
  } finally {
    await Promise.all([one.registered.stop(1000), other.registered.stop(1000)]);
  }
});

test('one that was started again is not its own twin', async () => {
  const directory = new MemoryInstanceDirectory({ clock: Date.now });
  const lines: string[] = [];
  const logger = createLogger({
    service: 'test',
    level: 'warn',
    destination: { write: (l) => void lines.push(l) },
  });
  const registration = {
    ...{ kind: 'worker' as const, id: 'worker-1', address: '', capacityUnits: 1, loadUnits: 0 },
    isDraining: false,
  };
  // Killed: its registration stays for a while.
  await directory.register({ ...registration, runId: 'before' });
  const registered = keepRegistered(directory, () => registration, logger);
  await new Promise((resolve) => setTimeout(resolve, 1200));
  await registered.stop(1000);
  expect(lines).toEqual([]);
});
