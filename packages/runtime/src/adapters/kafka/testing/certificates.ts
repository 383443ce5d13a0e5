import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Files of an authority, of brokers on 127.0.0.1 and of one client, all PEM. */
export interface Certificates {
  readonly caFile: string;
  /** Key and certificate of the brokers in one file, as Kafka takes them. */
  readonly brokerFile: string;
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
}

/** Makes certificates for a day, with `openssl`. */
export function createCertificates(directory: string): Certificates {
  const path = (name: string): string => join(directory, name);
  const openssl = (...argv: readonly string[]): void => {
    execFileSync('openssl', argv, { cwd: directory, stdio: 'pipe' });
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test authority');
  for (const name of ['broker', 'client']) {
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', 'subjectAltName=IP:127.0.0.1'];
    openssl(
      'req',
      '-x509',
      ...newKey,
      ...signed,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
      '-subj',
      `/CN=${name}`,
    );
  }
  writeFileSync(
    path('broker-store.pem'),
    readFileSync(path('broker.key'), 'utf8') + readFileSync(path('broker.pem'), 'utf8'),
  );
  return {
    caFile: path('ca.pem'),
    brokerFile: path('broker-store.pem'),
    clientCertFile: path('client.pem'),
    clientKeyFile: path('client.key'),
  };
}
