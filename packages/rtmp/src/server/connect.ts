import { type AmfObject, type AmfValue, amfObject, amfProperties } from '../amf/amf-value.ts';
import type { Command } from '../control/command.ts';

/** What an encoder says of itself when it connects; every part may be missing or nonsense. */
export interface RtmpConnect {
  /** As sent; with path, query and all. May contain the stream key. */
  readonly app: string | undefined;
  /** As sent. May contain the stream key. */
  readonly tcUrl: string | undefined;
  /** Name and version of the encoder: `FMLE/3.0 (compatible; Lavf60.16.100)`. */
  readonly flashVer: string | undefined;
  /** Enhanced RTMP FourCCs it named; `*` for all. Never a reason to refuse media: FFmpeg sends none and uses them. */
  readonly fourCcList: readonly string[];
  /** 0 for AMF0, 3 for AMF3. */
  readonly objectEncoding: 0 | 3;
  /** Whether it speaks of Enhanced RTMP at all. */
  readonly isEnhanced: boolean;
}

/** What the answer to connect says we can take (ER2, "Enhancing NetConnection connect Command"). */
export interface EnhancedCapabilities {
  readonly videoFourCcs: readonly string[];
  readonly audioFourCcs: readonly string[];
  /** 1 reconnect, 2 multitrack, 4 ModEx, 8 nanosecond offsets. */
  readonly capsEx: number;
}

/** Longest string of a connect that is kept. */
const MAX_TEXT = 2048;
const MAX_FOUR_CCS = 64;
/** FourCcInfoMap: bit 0, can decode. */
const CAN_DECODE = 1;

const textOf = (value: AmfValue): string | undefined =>
  typeof value === 'string' ? value.slice(0, MAX_TEXT) : undefined;

/** Reads the command object of connect; srs-bench and others write `tcurl`, Red5 sends null behind the object. */
export const parseConnect = (command: Command): RtmpConnect => {
  const properties = amfProperties(command.values[0]);
  const list = properties.get('fourCcList');
  const fourCcs = Array.isArray(list) ? list.filter((value) => typeof value === 'string') : [];
  return {
    app: textOf(properties.get('app')),
    tcUrl: textOf(properties.get('tcUrl')) ?? textOf(properties.get('tcurl')),
    flashVer: textOf(properties.get('flashVer')),
    fourCcList: fourCcs.slice(0, MAX_FOUR_CCS).map((value) => value.slice(0, 4)),
    objectEncoding: properties.get('objectEncoding') === 3 ? 3 : 0,
    isEnhanced: ['fourCcList', 'videoFourCcInfoMap', 'audioFourCcInfoMap', 'capsEx'].some((key) =>
      properties.has(key),
    ),
  };
};

/** The two objects of the `_result` of connect. */
export const connectResult = (
  connect: RtmpConnect,
  enhanced: EnhancedCapabilities,
): readonly [AmfObject, AmfObject] => {
  const infoMap = (fourCcs: readonly string[]): AmfObject =>
    amfObject(Object.fromEntries(fourCcs.map((fourCc) => [fourCc, CAN_DECODE])));
  const capabilities = connect.isEnhanced
    ? {
        fourCcList: [...enhanced.videoFourCcs, ...enhanced.audioFourCcs],
        videoFourCcInfoMap: infoMap(enhanced.videoFourCcs),
        audioFourCcInfoMap: infoMap(enhanced.audioFourCcs),
        capsEx: enhanced.capsEx,
      }
    : {};
  return [
    amfObject({ fmsVer: 'FMS/3,5,7,7009', capabilities: 31, mode: 1 }),
    amfObject({
      level: 'status',
      code: 'NetConnection.Connect.Success',
      description: 'Connection succeeded.',
      objectEncoding: connect.objectEncoding,
      ...capabilities,
    }),
  ];
};
