/** What the observer uses of libraries that come without types. */

declare module 'm3u8-parser' {
  /** A segment as m3u8-parser reads it. */
  export interface ParsedSegment {
    readonly uri: string;
    readonly duration?: number;
    readonly discontinuity?: boolean;
    readonly map?: { readonly uri: string };
    readonly programDateTime?: number;
    readonly dateTimeString?: string;
  }

  /** A playlist as m3u8-parser reads it. */
  export interface ParsedManifest {
    readonly version?: number;
    readonly targetDuration?: number;
    readonly mediaSequence?: number;
    readonly discontinuitySequence?: number;
    readonly endList?: boolean;
    readonly playlistType?: string;
    readonly independentSegments?: boolean;
    readonly segments?: readonly ParsedSegment[];
    readonly playlists?: readonly {
      readonly uri: string;
      readonly attributes: {
        readonly BANDWIDTH?: number;
        readonly 'AVERAGE-BANDWIDTH'?: string;
        readonly CODECS?: string;
        readonly RESOLUTION?: { readonly width: number; readonly height: number };
        readonly 'FRAME-RATE'?: number;
        readonly AUDIO?: string;
        readonly 'CLOSED-CAPTIONS'?: string;
      };
    }[];
    readonly mediaGroups?: {
      readonly AUDIO?: Readonly<
        Record<
          string,
          Readonly<
            Record<
              string,
              {
                readonly uri?: string;
                readonly default?: boolean;
                readonly autoselect?: boolean;
                readonly language?: string;
              }
            >
          >
        >
      >;
    };
  }

  /** The parser; what it read is in `manifest` after `end`. */
  export class Parser {
    readonly manifest: ParsedManifest;
    push(text: string): void;
    end(): void;
  }
}

declare module 'mpd-parser' {
  /** The MPD element, as an XML DOM. */
  export function stringToMpdXml(text: string): Element;

  /** A playlist as mpd-parser makes it of a Representation. */
  export interface MpdPlaylist {
    readonly segments?: readonly { readonly resolvedUri: string; readonly number: number }[];
  }

  /** The whole MPD, as one playlist for each Representation. */
  export function parse(
    text: string,
    options: { readonly manifestUri: string; readonly NOW?: number },
  ): {
    readonly playlists?: readonly MpdPlaylist[];
    readonly mediaGroups?: {
      readonly AUDIO?: Readonly<
        Record<string, Readonly<Record<string, { readonly playlists: readonly MpdPlaylist[] }>>>
      >;
    };
  };
}
