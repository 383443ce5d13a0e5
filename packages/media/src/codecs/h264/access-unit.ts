import { NAL_TYPE, nalType, splitLengthPrefixed, joinLengthPrefixed } from './nal-unit.ts';
import type { NalLengthSize } from './nal-unit.ts';

/** What a coded picture holds besides its slices. */
export interface AccessUnitContent {
  /** True when a slice of an IDR picture is in it. */
  readonly isIdr: boolean;
  /** False for data that has no slice at all: parameter sets or SEI sent on their own. */
  readonly hasSlice: boolean;
  /** In-band parameter sets, in their order. */
  readonly sps: readonly Uint8Array[];
  readonly pps: readonly Uint8Array[];
  /** True when an access unit delimiter or filler data is in it, which CMAF and players do without. */
  readonly hasDelimiterOrFiller: boolean;
}

const NO_SETS: readonly Uint8Array[] = [];

/** Looks into the NAL units of an access unit. Throws `ParseError` when a length does not fit. */
export function inspectAccessUnit(bytes: Uint8Array, lengthSize: NalLengthSize): AccessUnitContent {
  let isIdr = false;
  let hasSlice = false;
  let hasDelimiterOrFiller = false;
  let sps: Uint8Array[] | undefined;
  let pps: Uint8Array[] | undefined;
  for (const nal of splitLengthPrefixed(bytes, lengthSize)) {
    const type = nalType(nal);
    if (type >= NAL_TYPE.slice && type <= NAL_TYPE.idrSlice) {
      hasSlice = true;
      if (type === NAL_TYPE.idrSlice) isIdr = true;
    } else if (type === NAL_TYPE.sps) (sps ??= []).push(nal);
    else if (type === NAL_TYPE.pps) (pps ??= []).push(nal);
    else if (isDelimiterOrFiller(type)) hasDelimiterOrFiller = true;
  }
  return { isIdr, hasSlice, sps: sps ?? NO_SETS, pps: pps ?? NO_SETS, hasDelimiterOrFiller };
}

/** The access unit without access unit delimiters and filler data, with four-byte NAL lengths. */
export function stripDelimitersAndFiller(bytes: Uint8Array, lengthSize: NalLengthSize): Buffer {
  const kept = splitLengthPrefixed(bytes, lengthSize).filter((nal) => !isDelimiterOrFiller(nalType(nal)));
  return joinLengthPrefixed(kept, 4);
}

function isDelimiterOrFiller(type: number): boolean {
  return type === NAL_TYPE.accessUnitDelimiter || type === NAL_TYPE.filler;
}
