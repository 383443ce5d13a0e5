import { describeLeaseStore, describeUnclaimedSessions } from '../ports/lease-store.contract.ts';
import { useRedisServer } from '../testing/redis-fixture.ts';
import { RedisLeaseStore } from './redis-lease-store.ts';

const { fresh } = useRedisServer({ clock: 'movable' });

async function create() {
  const { server, connect } = await fresh();
  const store = new RedisLeaseStore({ redis: await connect() });
  return { store, advance: (ms: number) => server.advance(ms) };
}

describeLeaseStore('Redis', create);
describeUnclaimedSessions('Redis', create);
