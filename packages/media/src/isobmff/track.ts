import type { ColorDescription, Ratio } from '../codecs/h264/vui.ts';

/** An H.264 track, as an init segment is made from it. */
export interface VideoInit {
  readonly kind: 'video';
  readonly trackId: number;
  /** Ticks per second. */
  readonly timescale: number;
  /** `AVCDecoderConfigurationRecord`, the content of `avcC`. */
  readonly decoderConfig: Uint8Array;
  /** Size in pixels after cropping. */
  readonly width: number;
  readonly height: number;
  /** Sample aspect ratio (`pasp`); absent means square. */
  readonly sampleAspectRatio?: Ratio;
  /** Written as `colr` of type `nclx`. */
  readonly color?: ColorDescription;
}

/** An AAC track, as an init segment is made from it. */
export interface AudioInit {
  readonly kind: 'audio';
  readonly trackId: number;
  /** Ticks per second. */
  readonly timescale: number;
  /** `AudioSpecificConfig`. */
  readonly decoderConfig: Uint8Array;
  /** Samples per second. */
  readonly sampleRate: number;
  readonly channelCount: number;
}

/** The one track of an init segment that was read. */
export interface InitTrack {
  readonly kind: 'video' | 'audio';
  readonly trackId: number;
  /** Ticks per second. */
  readonly timescale: number;
  /** Sample entry type. */
  readonly sampleEntry: 'avc1' | 'avc3' | 'mp4a';
  /** `AVCDecoderConfigurationRecord` or `AudioSpecificConfig`. */
  readonly decoderConfig: Uint8Array;
  /** Size in pixels; 0 for audio. */
  readonly width: number;
  readonly height: number;
  /** Sample aspect ratio (`pasp`), when there is one. */
  readonly sampleAspectRatio?: Ratio;
  /** `colr` of type `nclx`, when there is one. */
  readonly color?: ColorDescription;
  /** Samples per second; 0 for video. */
  readonly sampleRate: number;
  /** 0 for video. */
  readonly channelCount: number;
}

/** One sample of a fragment. */
export interface TrackSample {
  /** In the track's timescale. */
  readonly duration: number;
  /** Composition time minus decode time in the track's timescale; negative under CMAF. */
  readonly compositionOffset: number;
  /** True for a sync sample: an IDR, or any audio frame. */
  readonly isSync: boolean;
  readonly data: Uint8Array;
}

/** The samples of one `moof` + `mdat` of one track. */
export interface TrackFragment {
  readonly trackId: number;
  /** 64-bit `tfdt`, in the track's timescale. */
  readonly baseMediaDecodeTime: number;
  readonly samples: readonly TrackSample[];
}
