import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import type { ChannelCredentials, ChannelOptions, ServerCredentials } from '@grpc/grpc-js';
import type { GrpcTlsConfig, TlsFiles } from './grpc-tls.ts';
import type { GrpcLibrary } from './load-grpc.ts';

/** What is said instead of an address where TLS wants the name of the server: RFC 6066 allows none there. */
const NAME_OF_ADDRESS = 'millrace';

/** What a server shows and asks for; without files it speaks plain text. */
export function serverCredentials(
  grpc: GrpcLibrary,
  files: TlsFiles | undefined,
  { requireClientCertificate }: GrpcTlsConfig,
): ServerCredentials {
  if (files?.own === undefined) return grpc.ServerCredentials.createInsecure();
  const { certificate, key } = files.own;
  const pair = { cert_chain: certificate, private_key: key };
  return grpc.ServerCredentials.createSsl(files.ca ?? null, [pair], requireClientCertificate);
}

/** What a client shows and asks for, and what the library has to know for it; without files it speaks plain text. */
export function channelSecurity(
  grpc: GrpcLibrary,
  files: TlsFiles | undefined,
  { address, serverName }: { readonly address: string; readonly serverName: string | undefined },
): { readonly credentials: ChannelCredentials; readonly options: ChannelOptions } {
  if (files === undefined) return { credentials: grpc.credentials.createInsecure(), options: {} };
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
  const name = serverName ?? host;
  const isAddress = isIP(name) !== 0;
  return {
    credentials: grpc.credentials.createSsl(
      files.ca ?? null,
      files.own?.key ?? null,
      files.own?.certificate ?? null,
      isAddress ? { checkServerIdentity: (_name, shown) => checkServerIdentity(name, shown) } : {},
    ),
    options: {
      'grpc.ssl_target_name_override': isAddress ? NAME_OF_ADDRESS : name,
      ...(serverName === undefined ? {} : { 'grpc.default_authority': serverName }),
    },
  };
}
