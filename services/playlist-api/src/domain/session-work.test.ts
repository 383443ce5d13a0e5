import { beforeEach, describe, expect, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import type { MillraceEvent } from '@millrace/contracts';
import { MemoryLeaseStore } from '@millrace/runtime';
import type { InstanceRegistration } from '@millrace/runtime';
import { SessionWork } from './session-work.ts';

const SESSION = { channel: 'news', sessionId: 's1' };
/** It costs more than one unit. */
const RECORD = session.SessionRecord.create({
  ...SESSION,
  presentation: { renditions: [{ kind: session.TrackKind.VIDEO, width: 1280, height: 720 }] },
});

let leases: MemoryLeaseStore;
let workers: InstanceRegistration[];
let events: MillraceEvent[];
let work: SessionWork;

beforeEach(() => {
  leases = new MemoryLeaseStore({ clock: () => 1000 });
  workers = [];
  events = [];
  work = new SessionWork({ leases, workers: () => workers, events: { emit: (event) => events.push(event) } });
});

function register(id: string, change: Partial<InstanceRegistration> = {}): void {
  workers.push({
    ...{ kind: 'worker', id, address: '', runId: '', capacityUnits: 2, loadUnits: 1, isDraining: false },
    ...change,
  });
}

const take = () => leases.acquire({ ...SESSION, workerId: 'a', from: { k: 0, part: 0 } });

describe('moving a session', () => {
  test('calls for a successor of its worker, and says so', async () => {
    const lease = await take();
    register('a');
    register('b', { loadUnits: 0.25 });
    await work.move(RECORD);
    expect(await leases.unclaimed()).toEqual([SESSION]);
    expect(events).toEqual([{ type: 'SuccessorCalled', data: { ...SESSION, reason: 'move' } }]);
    // The worker that has it goes on until another one has announced itself.
    if (lease === undefined) throw new Error('not acquired');
    expect(await leases.renew(lease)).toEqual({ kind: 'held' });
    expect(await work.workerOf(SESSION)).toBe('a');
  });

  test('without room anywhere else nothing changes', async () => {
    await take();
    register('a');
    register('full', { loadUnits: 2 });
    register('almost full', { loadUnits: 1 });
    register('draining', { isDraining: true });
    await expect(work.move(RECORD)).rejects.toMatchObject({
      id: 'PLAYLIST_API_NO_CAPACITY',
      code: 'UNAVAILABLE',
    });
    expect(await leases.unclaimed()).toEqual([]);
    expect(events).toEqual([]);
  });

  test('a session that no worker has cannot be moved', async () => {
    register('b');
    await expect(work.move(RECORD)).rejects.toMatchObject({ id: 'PLAYLIST_API_SESSION_NOT_WORKED' });
    expect(await work.workerOf(SESSION)).toBeUndefined();
  });
});
