/** What the headers of one chunk stream have said so far, and the message that is arriving on it. */
export class ChunkStream {
  readonly csid: number;
  timestampMs = 0;
  deltaMs = 0;
  /** Whether the last header of fmt 0, 1 or 2 carried an extended timestamp, and which value it had. */
  hasExtended = false;
  extendedField = 0;
  length = 0;
  typeId = 0;
  streamId = 0;

  isInMessage = false;
  received = 0;
  buffer: Uint8Array | undefined = undefined;

  constructor(csid: number) {
    this.csid = csid;
  }
}
