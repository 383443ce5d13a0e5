import type { control } from '@millrace/contracts';

/** What ingest asks playlist-api. A refusal is a value, not an error. */
export interface Control {
  authorizePublish(request: control.AuthorizePublishRequest): Promise<control.AuthorizePublishResponse>;
}
