import type { ControlFixture } from '@millrace/runtime/contract';
import { ADMIN_TOKEN, createFixture } from './fixture.ts';

/** A `Control` whose administrator uses the REST API: what that has answered has to hold for ingest at once. */
export async function createControlFixture(): Promise<ControlFixture> {
  const fixture = await createFixture();

  async function ask<T>(method: 'POST' | 'DELETE', path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${fixture.url}/v1/channels${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  return {
    control: fixture.api.control,
    createChannel: (name, settings = {}) => ask('POST', '', { name, settings }),
    deleteChannel: (name) => ask('DELETE', `/${name}`),
    createStreamKey: (channel, role = 'primary') => ask('POST', `/${channel}/stream-keys`, { role }),
    revokeStreamKey: (channel, id) => ask('DELETE', `/${channel}/stream-keys/${id}`),
    rotateStreamKey: (channel, id) => ask('POST', `/${channel}/stream-keys/${id}/rotate`, {}),
    stop: () => fixture.stop(),
  };
}
