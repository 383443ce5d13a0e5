/** A certificate and the users of brokers that are to be reached with TLS. */
export interface BrokerSecurity {
  /** PEM file with the key (PKCS #8) and the certificate of the brokers, for 127.0.0.1. */
  readonly keyStoreFile: string;
  /** PEM file of the authority that clients' certificates come from. */
  readonly trustStoreFile: string;
  readonly username: string;
  readonly password: string;
}

/** The ports of one broker, all on loopback. */
export interface BrokerPorts {
  readonly id: number;
  /** Plain text. */
  readonly port: number;
  readonly controller: number;
  /** Plain text too, but clients are told to come through `advertised`, where a test listens. */
  readonly proxied?: { readonly port: number; readonly advertised: number };
  /** TLS with SASL: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512. */
  readonly sasl?: number;
  /** TLS that asks for a certificate. */
  readonly mutual?: number;
}

/**
 * Renders the properties of one combined broker and controller in a cluster of `all`.
 *
 * Sized for tests: small buffers, few threads, a killed broker fenced after 3 s. Three brokers keep three copies, two in sync.
 */
export function renderBrokerProperties(
  broker: BrokerPorts,
  options: {
    readonly all: readonly BrokerPorts[];
    readonly dataDirectory: string;
    readonly security?: BrokerSecurity;
  },
): string {
  const { all, dataDirectory, security } = options;
  const copies = Math.min(3, all.length);
  const inSync = copies < 3 ? 1 : 2;
  const listeners = listenersOf(broker);
  const properties: Record<string, string | number | boolean> = {
    'process.roles': 'broker,controller',
    'node.id': broker.id,
    'controller.quorum.bootstrap.servers': all.map(({ controller }) => `127.0.0.1:${controller}`).join(','),
    listeners: listeners.map(({ name, port }) => `${name}://127.0.0.1:${port}`).join(','),
    'advertised.listeners': listeners
      .map(({ name, port, advertised }) => `${name}://127.0.0.1:${advertised ?? port}`)
      .join(','),
    'listener.security.protocol.map': listeners.map(({ name, protocol }) => `${name}:${protocol}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': dataDirectory,
    // The cleaner takes its 128 MiB from the heap at the start unless told less.
    'log.cleaner.dedupe.buffer.size': 4_194_304,
    'log.cleaner.threads': 1,
    'num.network.threads': 2,
    'num.io.threads': 2,
    'num.replica.fetchers': 1,
    'num.recovery.threads.per.data.dir': 1,
    'background.threads': 2,
    'log.index.size.max.bytes': 1_048_576,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.num.partitions': 2,
    'share.coordinator.state.topic.num.partitions': 1,
    // Topics come from the application, never by accident.
    'auto.create.topics.enable': false,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1000,
    'default.replication.factor': copies,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': copies,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': inSync,
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.min.isr': inSync,
    'broker.session.timeout.ms': 3000,
    'broker.heartbeat.interval.ms': 500,
    ...(security === undefined ? {} : securityProperties(security)),
  };
  return `${Object.entries(properties)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')}\n`;
}

interface Listener {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  readonly advertised?: number;
}

function listenersOf({ port, controller, proxied, sasl, mutual }: BrokerPorts): readonly Listener[] {
  return [
    { name: 'PLAINTEXT', protocol: 'PLAINTEXT', port },
    { name: 'CONTROLLER', protocol: 'PLAINTEXT', port: controller },
    ...(proxied === undefined ? [] : [{ name: 'PROXIED', protocol: 'PLAINTEXT', ...proxied }]),
    ...(sasl === undefined ? [] : [{ name: 'SASL', protocol: 'SASL_SSL', port: sasl }]),
    ...(mutual === undefined ? [] : [{ name: 'MUTUAL', protocol: 'SSL', port: mutual }]),
  ];
}

function securityProperties(security: BrokerSecurity): Record<string, string> {
  const { keyStoreFile, trustStoreFile, username, password } = security;
  const login = 'org.apache.kafka.common.security';
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': keyStoreFile,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': trustStoreFile,
    'listener.name.mutual.ssl.client.auth': 'required',
    'listener.name.sasl.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.sasl.plain.sasl.jaas.config': `${login}.plain.PlainLoginModule required user_${username}="${password}";`,
    'listener.name.sasl.scram-sha-256.sasl.jaas.config': `${login}.scram.ScramLoginModule required;`,
    'listener.name.sasl.scram-sha-512.sasl.jaas.config': `${login}.scram.ScramLoginModule required;`,
  };
}
