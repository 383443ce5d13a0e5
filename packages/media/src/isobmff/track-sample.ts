/** One sample of a fragment, as `trun` describes it. */
export interface TrackSample {
  /** In the track's timescale. */
  readonly duration: number;
  /** Composition time minus decode time in the track's timescale; may be negative (trun version 1). */
  readonly compositionOffset: number;
  /** True for a sync sample: an IDR, or any audio frame. */
  readonly isSync: boolean;
  /** The sample's bytes. */
  readonly data: Uint8Array;
}

/** One `moof` + `mdat` of one track. */
export interface TrackFragment {
  readonly trackId: number;
  /** 64-bit `tfdt`, as a safe integer. */
  readonly baseMediaDecodeTime: number;
  readonly samples: readonly TrackSample[];
}
