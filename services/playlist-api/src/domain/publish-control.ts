import { control } from '@millrace/contracts';
import type { Clock, Control } from '@millrace/runtime';
import { toChannel } from './channel.ts';
import type { StoredChannel } from './channel.ts';
import type { ChannelStore } from './channel-store.ts';
import type { Counter } from 'prom-client';

const REFUSAL_LABELS: Readonly<Record<control.PublishRefusal, string>> = {
  [control.PublishRefusal.UNSPECIFIED]: 'unspecified',
  [control.PublishRefusal.KEY]: 'key',
  [control.PublishRefusal.APP]: 'app',
  [control.PublishRefusal.DISABLED]: 'disabled',
};

/** Answers ingest from the channel store. */
export class PublishControl implements Control {
  readonly #store: ChannelStore;
  readonly #clock: Clock;
  readonly #apps: ReadonlySet<string>;
  readonly #answers: Counter;

  constructor(dependencies: {
    readonly store: ChannelStore;
    readonly clock: Clock;
    /** RTMP application names that may be published to. */
    readonly apps: readonly string[];
    readonly answers: Counter;
  }) {
    this.#store = dependencies.store;
    this.#clock = dependencies.clock;
    this.#apps = new Set(dependencies.apps);
    this.#answers = dependencies.answers;
  }

  async authorizePublish(
    request: control.AuthorizePublishRequest,
  ): Promise<control.AuthorizePublishResponse> {
    const response = await this.#answer(request);
    const { result } = response;
    this.#answers.inc({ result: result?.$case === 'refusal' ? REFUSAL_LABELS[result.value] : 'granted' });
    return response;
  }

  async #answer(request: control.AuthorizePublishRequest): Promise<control.AuthorizePublishResponse> {
    if (!this.#apps.has(request.app)) return refuse(control.PublishRefusal.APP);
    const key = await this.#store.findStreamKey(Buffer.from(request.streamKeySha256).toString('hex'));
    // An unknown, a revoked and an expired key look the same from outside, so that keys cannot be probed.
    if (key === undefined || (key.expiresAtMs ?? Infinity) <= this.#clock())
      return refuse(control.PublishRefusal.KEY);
    const channel = await this.#store.getChannel(key.channel);
    if (channel === undefined) return refuse(control.PublishRefusal.KEY);
    if (!channel.settings.isEnabled) return refuse(control.PublishRefusal.DISABLED);
    const role = key.role === 'backup' ? control.PublishRole.BACKUP : control.PublishRole.PRIMARY;
    return {
      result: {
        $case: 'grant',
        value: { channel: await this.#resolve(channel), role, streamKeyId: key.id },
      },
    };
  }

  async #resolve(channel: StoredChannel): Promise<ReturnType<typeof toChannel>> {
    const { ladder } = channel.settings;
    return toChannel(channel, typeof ladder === 'string' ? await this.#store.getLadder(ladder) : undefined);
  }
}

function refuse(refusal: control.PublishRefusal): control.AuthorizePublishResponse {
  return { result: { $case: 'refusal', value: refusal } };
}
