/** The wall clock, in ms since 1970. Handed in, so that tests own time. */
export type Clock = () => number;
