import { describe, expect, test } from '@jest/globals';
import { instanceNameSchema, registeredGrpcListenerSchema } from './platform-config.ts';

describe('a listener that others are told of', () => {
  const schema = registeredGrpcListenerSchema(9102);

  test.each(['0.0.0.0', '::'])('on every address (%s) has to say where it is reached', (host) => {
    const { error } = schema.safeParse({ host });
    expect(error?.issues).toMatchObject([{ path: ['advertisedAddress'] }]);
    expect(schema.safeParse({ host, advertisedAddress: '10.0.0.7:9102' }).success).toBe(true);
  });

  test('on one address is reached there', () => {
    expect(schema.safeParse({ host: '10.0.0.7' }).success).toBe(true);
  });
});

test.each(['worker 1', 'a/b', '{c}', '', 'x'.repeat(129)])('an instance cannot be called %j', (name) => {
  const schema = instanceNameSchema('worker-1', 'Its name.');
  expect(schema.safeParse(name).error?.issues).toMatchObject([
    { message: expect.stringContaining('letters') },
  ]);
  expect(schema.safeParse('worker-1.eu_west').success).toBe(true);
});
