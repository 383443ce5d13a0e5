/** One access unit of a rendition, as it comes out of ffmpeg or straight from the encoder. */
export interface MediaSample {
  /** Decode time in the rendition's timescale. */
  readonly dts: number;
  /** In the rendition's timescale; the next sample's decode time minus this one's. */
  readonly duration: number;
  /** Composition time minus decode time in the rendition's timescale. */
  readonly compositionOffset: number;
  /** True for an IDR, and for every audio frame. */
  readonly isSync: boolean;
  readonly data: Uint8Array;
}

/** A part that was put together, not yet a row. */
export interface AssembledPart {
  readonly position: { readonly k: number; readonly part: number };
  /** Decode time of the first sample in the rendition's timescale. */
  readonly baseMediaDecodeTime: number;
  readonly durationTicks: number;
  readonly isIndependent: boolean;
  /** moof + mdat. */
  readonly data: Buffer;
}
