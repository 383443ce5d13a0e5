import { describeSessionStore } from '../ports/session-store.contract.ts';
import { silentLogger, useRedisServer } from '../testing/redis-fixture.ts';
import { RedisSessionStore } from './redis-session-store.ts';

const { fresh } = useRedisServer({ clock: 'movable' });

describeSessionStore('Redis', async () => {
  const { server, connect, onEnd } = await fresh();
  const store = new RedisSessionStore({ redis: await connect(), logger: silentLogger });
  store.start();
  onEnd(() => store.stop());
  return { store, now: () => server.now(), advance: (ms) => server.advance(ms) };
});
