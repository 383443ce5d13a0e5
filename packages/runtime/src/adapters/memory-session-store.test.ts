import { describeSessionStore } from '../ports/session-store.contract.ts';
import { MemorySessionStore } from './memory-session-store.ts';

describeSessionStore('memory', async () => {
  let nowMs = 1_800_000_000_000;
  const now = (): number => nowMs;
  return { store: new MemorySessionStore({ clock: now }), now, advance: (ms) => void (nowMs += ms) };
});
