import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ServiceError } from '../../service-error.ts';

const file = (what: string) => z.string().min(1).optional().describe(`${what}, a PEM file.`);

/** The `grpc.tls` section of every service that serves or calls over gRPC. */
export const grpcTlsSchema = z
  .object({
    enabled: z.boolean().default(false).describe('Serve and call with TLS.'),
    certFile: file('Own certificate, with those that lead to its authority; shown to peers on both sides'),
    keyFile: file('Key of the own certificate'),
    caFile: file('Certificates of the authorities that peers are trusted by, instead of the system’s'),
    requireClientCertificate: z
      .boolean()
      .default(false)
      .describe('Serve only clients that show a certificate from caFile (mutual TLS).'),
    serverName: z
      .string()
      .min(1)
      .optional()
      .describe('Name that the certificate of a server has to bear instead of the host’s.'),
  })
  .superRefine((config, context) => {
    const refuse = (setting: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [setting], message });
    if ((config.certFile === undefined) !== (config.keyFile === undefined))
      refuse('keyFile', 'tls.certFile and tls.keyFile are set together');
    if (config.requireClientCertificate && config.caFile === undefined)
      refuse('requireClientCertificate', 'needs tls.caFile, to know whom to trust');
    const isSet = Object.values(config).some((value) => value !== false && value !== undefined);
    if (!config.enabled && isSet) refuse('enabled', 'has to be true for the other settings to be used');
  })
  .prefault({});

/** How gRPC is secured. */
export type GrpcTlsConfig = z.infer<typeof grpcTlsSchema>;

/** What the files hold, as PEM. */
export interface TlsFiles {
  readonly ca?: Buffer;
  readonly own?: { readonly certificate: Buffer; readonly key: Buffer };
}

/**
 * Reads what TLS needs; undefined when it is off.
 *
 * Throws `GRPC_TLS_FILE_UNREADABLE`, `GRPC_TLS_FILE_INVALID` for a file that holds something else, `GRPC_TLS_KEY_MISMATCH`,
 * and `GRPC_TLS_CERTIFICATE_MISSING` for a server without one.
 */
export function readTlsFiles(tls: GrpcTlsConfig, role: 'server' | 'client'): TlsFiles | undefined {
  if (!tls.enabled) return undefined;
  const { caFile, certFile, keyFile } = tls;
  const ca = caFile === undefined ? undefined : read('caFile', caFile, certificateOf).pem;
  if (certFile !== undefined && keyFile !== undefined) {
    const certificate = read('certFile', certFile, certificateOf);
    const key = read('keyFile', keyFile, createPrivateKey);
    if (!certificate.content.checkPrivateKey(key.content)) throw keyMismatch(certFile, keyFile);
    return { ...(ca === undefined ? {} : { ca }), own: { certificate: certificate.pem, key: key.pem } };
  }
  if (role === 'server') {
    throw new ServiceError(
      'INVALID_ARGUMENT',
      'GRPC_TLS_CERTIFICATE_MISSING',
      'grpc.tls.certFile and grpc.tls.keyFile are missing: a server with TLS needs both',
    );
  }
  return ca === undefined ? {} : { ca };
}

const certificateOf = (pem: Buffer): X509Certificate => new X509Certificate(pem);

function read<T extends X509Certificate | KeyObject>(
  setting: string,
  path: string,
  parse: (pem: Buffer) => T,
): { readonly pem: Buffer; readonly content: T } {
  let pem: Buffer;
  try {
    pem = readFileSync(path);
  } catch (error) {
    throw new ServiceError(
      'INVALID_ARGUMENT',
      'GRPC_TLS_FILE_UNREADABLE',
      `grpc.tls.${setting}: ${path} cannot be read (${(error as Error).message}); name a PEM file`,
      { cause: error },
    );
  }
  try {
    return { pem, content: parse(pem) };
  } catch (error) {
    const wanted = setting === 'keyFile' ? 'a private key without a passphrase' : 'a certificate';
    throw new ServiceError(
      'INVALID_ARGUMENT',
      'GRPC_TLS_FILE_INVALID',
      `grpc.tls.${setting}: ${path} does not hold ${wanted} in PEM form (${(error as Error).message})`,
      { cause: error },
    );
  }
}

function keyMismatch(certFile: string, keyFile: string): ServiceError {
  return new ServiceError(
    'INVALID_ARGUMENT',
    'GRPC_TLS_KEY_MISMATCH',
    `grpc.tls.keyFile: ${keyFile} is not the key of the certificate in ${certFile}`,
  );
}
