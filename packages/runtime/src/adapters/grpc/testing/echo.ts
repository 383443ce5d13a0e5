import { control } from '@millrace/contracts';
import type { GrpcChannel } from '../grpc-channel.ts';
import { unaryMethod } from '../grpc-service.ts';
import type { GrpcService } from '../grpc-service.ts';
import { checkNothing } from '../message-checks.ts';
import { AUTHORIZE_PUBLISH } from '../methods.ts';

/** A grant with a text for the id of its key. */
export function grantOf(text: string): control.AuthorizePublishResponse {
  const value = { channel: undefined, role: control.PublishRole.PRIMARY, streamKeyId: text };
  return { result: { $case: 'grant', value } };
}

/** Answers every question about a key with a grant whose key id is the application. */
export const echoService: GrpcService = [
  unaryMethod(AUTHORIZE_PUBLISH, checkNothing, async ({ app }) => grantOf(app)),
];

/** Asks it. */
export async function echo(channel: GrpcChannel, text: string, deadlineMs = 10_000): Promise<string> {
  const question = { app: text, streamKeySha256: Buffer.alloc(0), remoteAddress: '' };
  const { result } = await channel.unary(AUTHORIZE_PUBLISH, question, { check: checkNothing, deadlineMs });
  return result?.$case === 'grant' ? result.value.streamKeyId : '';
}
