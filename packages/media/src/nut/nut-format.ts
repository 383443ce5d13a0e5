/** Frame codes of the streams written here; all others are invalid. `N` (0x4E) must be: start codes begin with it. */
export const FRAME_CODE = { nonKey: 0, key: 1 } as const;

/** Bits of a pts that may stand for the whole of it. A coded pts from 2^shift on is absolute, and all of ours are. */
export const MSB_PTS_SHIFT = 1;
