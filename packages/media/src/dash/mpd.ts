/** An exact duration or point in seconds: `value / timescale`. Ticks are safe integers. */
export interface Ticks {
  readonly value: number;
  readonly timescale: number;
}

/** One segment of a timeline: `S@t` and `S@d` in the template's timescale. */
export interface MpdSegment {
  readonly t: number;
  readonly d: number;
}

/** `SegmentTemplate`: how segments are addressed; `$Number$` in `media` is filled by the client. */
export interface MpdSegmentTemplate {
  readonly timescale: number;
  /** URL template, relative to the MPD; `$RepresentationID$` and `$Number$` allowed. */
  readonly media: string;
  readonly initialization: string;
  /** Number of the first segment that is listed, or for `duration` of the Period's first. */
  readonly startNumber: number;
  /** Media time at Period@start. */
  readonly presentationTimeOffset: number;
  /** Either every listed segment, without gaps (T-4), or one nominal duration for all. */
  readonly addressing:
    | { readonly kind: 'timeline'; readonly segments: readonly MpdSegment[] }
    | { readonly kind: 'duration'; readonly duration: number };
}

/** `Representation`: one rendition. */
export interface MpdRepresentation {
  readonly id: string;
  /** RFC 6381 codec string. */
  readonly codecs: string;
  /** Declared peak rate in bits per second. */
  readonly bandwidth: number;
  readonly video?: {
    readonly width: number;
    readonly height: number;
    /** Width over height of a sample, `1:1` when they are square. */
    readonly sar: string;
    readonly frameRate?: string;
  };
  readonly audio?: { readonly sampleRate: number; readonly channelCount: number };
  readonly template: MpdSegmentTemplate;
}

/** `AdaptationSet`: renditions that a player switches between; boundaries aligned (C-2), each segment starts with SAP 1. */
export interface MpdAdaptationSet {
  /** Fixed for the presentation (T-2). */
  readonly id: number;
  readonly contentType: 'video' | 'audio';
  /** RFC 5646 language; audio only. */
  readonly lang?: string;
  readonly representations: readonly MpdRepresentation[];
}

/** `Period`: a stretch with one timeline and one set of representations. */
export interface MpdPeriod {
  /** Fixed while the Period is listed (T-2). */
  readonly id: string;
  readonly start: Ticks;
  /** Set when the Period is over and nothing follows at its end (T-6). */
  readonly duration?: Ticks;
  readonly adaptationSets: readonly MpdAdaptationSet[];
}

/** What makes an MPD dynamic or static. */
export type MpdLife =
  | {
      readonly type: 'dynamic';
      /** T-3: the client fetches again this often. */
      readonly minimumUpdatePeriod: Ticks;
      /** T-5: depth of the window. */
      readonly timeShiftBufferDepth: Ticks;
      /** T-5: smaller than the depth of the window. */
      readonly suggestedPresentationDelay: Ticks;
    }
  | {
      readonly type: 'static';
      /** End of the last Period on the MPD's timeline, which begins at 1970 (E-1). */
      readonly mediaPresentationDuration: Ticks;
    };

/** A whole MPD. */
export interface MpdInput {
  readonly id: string;
  readonly life: MpdLife;
  /** ms since 1970; constant for the presentation (T-2). */
  readonly availabilityStartMs: number;
  /** ms since 1970; a function of the revision, so that replicas write equal bytes. */
  readonly publishTimeMs: number;
  readonly minBufferTime: Ticks;
  /** Never grows (T-1). */
  readonly maxSegmentDuration: Ticks;
  /** URL that answers the UTC time in ISO 8601, relative to the MPD. */
  readonly utcTimingUrl: string;
  readonly periods: readonly MpdPeriod[];
}
