import { describeLeaseStore, describeUnclaimedSessions } from '../ports/lease-store.contract.ts';
import { MemoryLeaseStore } from './memory-lease-store.ts';

async function create() {
  let nowMs = 1_800_000_000_000;
  return { store: new MemoryLeaseStore({ clock: () => nowMs }), advance: (ms: number) => void (nowMs += ms) };
}

describeLeaseStore('memory', create);
describeUnclaimedSessions('memory', create);
