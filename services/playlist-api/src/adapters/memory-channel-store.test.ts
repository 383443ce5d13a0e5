import { describeChannelStore } from '../domain/channel-store.contract.ts';
import { MemoryChannelStore } from './memory-channel-store.ts';

describeChannelStore('memory', () => Promise.resolve(new MemoryChannelStore()));
