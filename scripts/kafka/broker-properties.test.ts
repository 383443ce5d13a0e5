import { describe, expect, test } from '@jest/globals';
import { renderBrokerProperties } from './broker-properties.ts';

function parse(text: string): ReadonlyMap<string, string> {
  return new Map(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(/=(.*)/s) as [string, string]),
  );
}

const one = { id: 1, port: 1001, controller: 1002 };

describe('broker properties', () => {
  test('of one broker keep one copy of everything, on loopback', () => {
    const properties = parse(renderBrokerProperties(one, { all: [one], dataDirectory: '/d' }));
    expect(properties.get('listeners')).toBe('PLAINTEXT://127.0.0.1:1001,CONTROLLER://127.0.0.1:1002');
    expect(properties.get('min.insync.replicas')).toBe('1');
    expect(properties.get('offsets.topic.replication.factor')).toBe('1');
    expect(properties.get('log.dirs')).toBe('/d');
    expect([...properties.keys()].filter((name) => name.includes('ssl'))).toEqual([]);
  });

  test('of three keep three copies, two of them in sync', () => {
    const all = [one, { id: 2, port: 2001, controller: 2002 }, { id: 3, port: 3001, controller: 3002 }];
    const properties = parse(renderBrokerProperties(one, { all, dataDirectory: '/d' }));
    expect(properties.get('controller.quorum.bootstrap.servers')).toBe(
      '127.0.0.1:1002,127.0.0.1:2002,127.0.0.1:3002',
    );
    expect(properties.get('default.replication.factor')).toBe('3');
    expect(properties.get('min.insync.replicas')).toBe('2');
  });

  test('tell clients who come through a proxy to go on doing so', () => {
    const broker = { ...one, proxied: { port: 1003, advertised: 9 } };
    const properties = parse(renderBrokerProperties(broker, { all: [broker], dataDirectory: '/d' }));
    expect(properties.get('listeners')).toContain('PROXIED://127.0.0.1:1003');
    expect(properties.get('advertised.listeners')).toContain('PROXIED://127.0.0.1:9');
  });

  test('with security have a listener for passwords and one for certificates', () => {
    const broker = { ...one, sasl: 1004, mutual: 1005 };
    const security = { keyStoreFile: '/k.pem', trustStoreFile: '/t.pem', username: 'u', password: 'p' };
    const properties = parse(
      renderBrokerProperties(broker, { all: [broker], dataDirectory: '/d', security }),
    );
    expect(properties.get('listener.security.protocol.map')).toContain('SASL:SASL_SSL,MUTUAL:SSL');
    expect(properties.get('listener.name.mutual.ssl.client.auth')).toBe('required');
    expect(properties.get('listener.name.sasl.plain.sasl.jaas.config')).toContain('user_u="p"');
  });
});
