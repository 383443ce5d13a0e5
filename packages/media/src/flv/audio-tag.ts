import { ParseError } from '../parse-error.ts';
import { codecName, EX_AUDIO_PACKET, openExHeader } from './ex-header.ts';

/** What the body of an FLV audio tag holds, as it comes in an RTMP audio message. Bytes are slices. */
export type AudioTag =
  /** `config`: AudioSpecificConfig, not yet looked into. */
  | { readonly kind: 'configuration'; readonly config: Uint8Array }
  /** `data`: one AAC raw_data_block. */
  | { readonly kind: 'frame'; readonly data: Uint8Array }
  /** An empty message: some encoders send it for silence. */
  | { readonly kind: 'empty' }
  /** End of sequence. */
  | { readonly kind: 'end' }
  /** A channel order, or another track than the first. */
  | { readonly kind: 'ignored' }
  /** A codec that is not taken; `codec` as people call it. */
  | { readonly kind: 'unsupported'; readonly codec: string };

const SOUND_FORMATS: Readonly<Record<number, string>> = {
  0: 'PCM',
  1: 'ADPCM',
  2: 'MP3',
  3: 'PCM',
  4: 'Nellymoser',
  5: 'Nellymoser',
  6: 'Nellymoser',
  7: 'G.711 A-law',
  8: 'G.711 mu-law',
  11: 'Speex',
  14: 'MP3',
};
const AAC = 10;
const EX_HEADER = 9;
const AAC_PACKET = { configuration: 0, frame: 1 } as const;
/** AAC, and the rate, size and channels that AAC always says: 44.1 kHz, 16 bits, stereo. */
const AAC_HEADER = (AAC << 4) | 0x0f;

/** Parses an FLV audio tag body (FLV 10.1 E.4.2, Enhanced RTMP v2). Throws `ParseError`. */
export function parseAudioTag(body: Uint8Array): AudioTag {
  const first = body[0];
  if (first === undefined) return { kind: 'empty' };
  const format = first >> 4;
  if (format === EX_HEADER) return parseExAudio(body);
  if (format !== AAC)
    return { kind: 'unsupported', codec: SOUND_FORMATS[format] ?? `sound format ${format}` };
  const packetType = body[1];
  const data = body.subarray(2);
  switch (packetType) {
    case undefined:
      return { kind: 'empty' };
    case AAC_PACKET.configuration:
      return { kind: 'configuration', config: data };
    case AAC_PACKET.frame:
      return frame(data);
    default:
      throw new ParseError('invalid', 1, `AAC packet type ${packetType}`);
  }
}

function parseExAudio(body: Uint8Array): AudioTag {
  const header = openExHeader(body, EX_AUDIO_PACKET);
  if (header === undefined) return { kind: 'ignored' };
  const { packetType, codec, reader } = header;
  if (codec !== 'mp4a') return { kind: 'unsupported', codec: codecName(codec) };
  switch (packetType) {
    case EX_AUDIO_PACKET.configuration:
      return { kind: 'configuration', config: reader.rest() };
    case EX_AUDIO_PACKET.frames:
      return frame(reader.rest());
    case EX_AUDIO_PACKET.end:
      return { kind: 'end' };
    case EX_AUDIO_PACKET.multichannel:
      return { kind: 'ignored' };
    default:
      throw new ParseError('unsupported', 0, `audio packet type ${packetType}`);
  }
}

function frame(data: Uint8Array): AudioTag {
  return data.length === 0 ? { kind: 'empty' } : { kind: 'frame', data };
}

/** Marshals an AAC audio tag body in the classic form. */
export function marshalAudioTag(tag: Extract<AudioTag, { kind: 'configuration' | 'frame' }>): Buffer {
  return tag.kind === 'configuration'
    ? Buffer.concat([Uint8Array.of(AAC_HEADER, AAC_PACKET.configuration), tag.config])
    : Buffer.concat([Uint8Array.of(AAC_HEADER, AAC_PACKET.frame), tag.data]);
}
