import { describe, expect, test } from '@jest/globals';
import { longestQueue } from './socket-queues.ts';

const line = (local: string, remote: string, state: string, send: number, receive: number): string => {
  const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');
  return `   1: 0100007F:${local} 0100007F:${remote} ${state} ${hex(send)}:${hex(receive)} 00:00000000 00000000 0 0 7 1\n`;
};

describe('socket queues', () => {
  test('what the client holds and what the server has not read count together', () => {
    const table = line('C001', '078F', '01', 1000, 7) + line('078F', 'C001', '01', 9, 500);
    expect(longestQueue(table, 1935)).toBe(1500);
  });

  test('the longest of several connections counts', () => {
    const table = line('078F', 'C001', '01', 0, 500) + line('078F', 'C002', '01', 0, 800);
    expect(longestQueue(table, 1935)).toBe(800);
  });

  test('other ports and connections that are closing do not count', () => {
    const table = line('0050', 'C001', '01', 0, 500) + line('078F', 'C002', '06', 0, 800);
    expect(longestQueue(table, 1935)).toBe(0);
  });
});
