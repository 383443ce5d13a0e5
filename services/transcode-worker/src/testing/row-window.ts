import type { sink } from '@millrace/contracts';

/**
 * A packager's window for tests: keeps the rows of parts, answers a hello, and throws when a row breaks a rule of the index.
 */
export class RowWindow {
  readonly rows = new Map<string, sink.Row[]>();
  readonly inits: sink.InitSegment[] = [];
  readonly #numbers = new Map<string, string>();

  /** Stores parts in the order in which they come. */
  take(parts: readonly sink.Part[]): void {
    for (const part of parts) this.#takeOne(part);
  }

  /** What a packager answers to a hello. */
  reply(): sink.HelloReply {
    return {
      inits: [...this.inits],
      renditions: [...this.rows].map(([renditionId, rows]) => {
        const last = rows.at(-1);
        return {
          renditionId,
          rows: structuredClone(rows),
          resume:
            last === undefined
              ? undefined
              : last.isComplete
                ? { k: last.k + 1, part: 0 }
                : { k: last.k, part: last.parts.length },
        };
      }),
    };
  }

  /** The rows of a rendition. */
  rowsOf(renditionId: string): readonly sink.Row[] {
    return this.rows.get(renditionId) ?? [];
  }

  #takeOne(part: sink.Part): void {
    const rows = this.rows.get(part.renditionId) ?? [];
    this.rows.set(part.renditionId, rows);
    const { position } = part;
    if (position === undefined) throw new Error('a part without a position');
    let row = rows.at(-1);
    if (row === undefined || row.isComplete) {
      this.#checkNewRow(row, part, position);
      row = {
        renditionId: part.renditionId,
        k: position.k,
        msn: part.msn,
        discontinuitySequence: part.discontinuitySequence,
        hasDiscontinuity: part.hasDiscontinuity,
        period: part.period,
        baseMediaDecodeTime: part.baseMediaDecodeTime,
        durationTicks: 0,
        utcOffsetUs: part.utcOffsetUs,
        parts: [],
        isComplete: false,
        isGap: true,
        runFirstK: 0,
      };
      rows.push(row);
    }
    const name = `${part.renditionId} ${position.k}.${position.part}`;
    if (row.k !== position.k || row.parts.length !== position.part)
      throw new Error(`${name}: expected ${row.k}.${row.parts.length}`);
    if (part.isGap !== (part.data.length === 0)) throw new Error(`${name}: gap and data disagree`);
    if (part.durationTicks < 0) throw new Error(`${name}: negative duration`);
    row.parts.push({
      durationTicks: part.durationTicks,
      sizeBytes: part.data.length,
      isIndependent: part.isIndependent,
      isGap: part.isGap,
    });
    row.durationTicks += part.durationTicks;
    row.isComplete = part.isLast;
    if (part.isLast) this.#complete(rows, row, part);
    else if (part.runFirstK !== 0) throw new Error(`${name}: runFirstK before the last part`);
  }

  /** A row with a hole is a gap, as a packager has it. */
  #complete(rows: readonly sink.Row[], row: sink.Row, part: sink.Part): void {
    row.isGap =
      row.parts.every(({ isGap }) => isGap) ||
      row.parts.some(({ isGap, durationTicks }) => isGap && durationTicks > 0);
    row.runFirstK = part.runFirstK;
    const before = rows.at(-2);
    const isContinued = before?.period === row.period && before.isGap === row.isGap;
    const expected = isContinued ? before.runFirstK : row.k;
    if (row.runFirstK !== expected)
      throw new Error(`${row.renditionId} ${row.k}: runFirstK ${row.runFirstK}, expected ${expected}`);
  }

  #checkNewRow(before: sink.Row | undefined, part: sink.Part, position: sink.Position): void {
    const name = `${part.renditionId} ${position.k}.${position.part}`;
    if (position.part !== 0) throw new Error(`${name}: a row begins in mid-segment`);
    if (before !== undefined) {
      if (part.msn !== before.msn + 1) throw new Error(`${name}: msn ${part.msn} after ${before.msn}`);
      const isSamePeriod = part.period === before.period;
      if (isSamePeriod && position.k !== before.k + 1) throw new Error(`${name}: after segment ${before.k}`);
      const expected = before.discontinuitySequence + (isSamePeriod ? 0 : 1);
      if (part.discontinuitySequence !== expected)
        throw new Error(
          `${name}: discontinuity sequence ${part.discontinuitySequence}, expected ${expected}`,
        );
    }
    const hasOtherPeriodBefore = before !== undefined && part.period !== before.period;
    if (part.hasDiscontinuity !== hasOtherPeriodBefore)
      throw new Error(`${name}: hasDiscontinuity is ${part.hasDiscontinuity}`);
    const key = `${part.period}/${position.k}`;
    const numbers = `${part.msn}/${part.discontinuitySequence}`;
    const known = this.#numbers.get(key) ?? numbers;
    if (known !== numbers) throw new Error(`${name}: numbers ${numbers}, another rendition has ${known}`);
    this.#numbers.set(key, numbers);
  }
}
