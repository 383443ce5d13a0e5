import { describeInstanceDirectory } from '../ports/instance-directory.contract.ts';
import { silentLogger, useRedisServer } from '../testing/redis-fixture.ts';
import { RedisInstanceDirectory } from './redis-instance-directory.ts';

const { fresh } = useRedisServer({ clock: 'movable' });

describeInstanceDirectory('Redis', async () => {
  const { server, connect } = await fresh();
  return {
    directory: new RedisInstanceDirectory({ redis: await connect(), logger: silentLogger }),
    advance: (ms) => server.advance(ms),
  };
});
