import { RtmpError } from '../rtmp-error.ts';

/** Objects and arrays inside each other. */
const AMF_MAX_DEPTH = 16;
/** Values of one message, a reference counting as much as what it stands for. */
export const AMF_MAX_VALUES = 8192;

/** What the values of one message have cost so far; shared by AMF0 and an AMF3 switch inside it. */
export class AmfBudget {
  #values = 0;

  /** Values charged so far. */
  get values(): number {
    return this.#values;
  }

  /** Charges values; throws `AMF_TOO_COSTLY`. */
  charge(values: number, offset: number): void {
    this.#values += values;
    if (this.#values > AMF_MAX_VALUES) {
      throw new RtmpError('AMF_TOO_COSTLY', offset, `more than ${AMF_MAX_VALUES} values in one message`);
    }
  }

  /** Checks the depth of a value; throws `AMF_TOO_DEEP`. */
  enter(depth: number, offset: number): void {
    if (depth > AMF_MAX_DEPTH) {
      throw new RtmpError('AMF_TOO_DEEP', offset, `more than ${AMF_MAX_DEPTH} levels`);
    }
  }
}
