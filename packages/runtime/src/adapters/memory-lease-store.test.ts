import { describeLeaseStore } from '../ports/lease-store.contract.ts';
import { MemoryLeaseStore } from './memory-lease-store.ts';

describeLeaseStore('memory', async () => {
  let nowMs = 1_800_000_000_000;
  return { store: new MemoryLeaseStore({ clock: () => nowMs }), advance: (ms) => void (nowMs += ms) };
});
