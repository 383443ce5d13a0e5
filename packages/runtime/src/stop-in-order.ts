/** Something that runs and can be stopped; it gives up what it cannot end in order by the deadline. */
export interface Stoppable {
  stop(deadlineMs: number): Promise<void>;
}

/**
 * Stops one after the other, all within one deadline: each is given what those before it have left, the last ones 0.
 *
 * One that fails holds up nobody: the others are stopped as well, then the failures are thrown as one `AggregateError`.
 */
export async function stopInOrder(
  services: readonly Stoppable[],
  deadlineMs: number,
  monotonicMs: () => number = () => performance.now(),
): Promise<void> {
  const endsAtMs = monotonicMs() + deadlineMs;
  const failures: unknown[] = [];
  for (const service of services) {
    try {
      await service.stop(Math.max(0, endsAtMs - monotonicMs()));
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'Not everything stopped in order');
}
