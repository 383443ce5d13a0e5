import { describeInstanceDirectory } from '../ports/instance-directory.contract.ts';
import { MemoryInstanceDirectory } from './memory-instance-directory.ts';

describeInstanceDirectory('memory', async () => {
  let nowMs = 1_800_000_000_000;
  return {
    directory: new MemoryInstanceDirectory({ clock: () => nowMs }),
    advance: (ms) => void (nowMs += ms),
  };
});
