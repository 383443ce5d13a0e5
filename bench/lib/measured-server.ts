import type { MeasuredProcess } from './measured-process.ts';

/** An RTMP server under measurement. */
export interface MeasuredServer {
  readonly process: MeasuredProcess;
  readonly port: number;
  stop(): Promise<void>;
}
