import { afterEach, expect, test } from '@jest/globals';
import { Children } from './children.ts';

let children = new Children();

afterEach(async () => {
  await children.stop();
  children = new Children();
});

const node = (code: string, isQuiet = true) => children.spawn(process.execPath, ['-e', code], { isQuiet });

test('says how a child ended, and the last of what it wrote', async () => {
  const code = "for (let i = 0; i < 9999; i += 1) console.error('line ' + i); process.exitCode = 3";
  const { how, isRefusal, lastWords } = await node(code).ended;
  expect({ how, isRefusal }).toEqual({ how: 'exit code 3', isRefusal: false });
  expect(lastWords).toMatch(/line 9998$/);
  expect(lastWords.length).toBeLessThanOrEqual(2000);
  expect((await node('process.exit(2)').ended).isRefusal).toBe(true);
  expect((await node("process.kill(process.pid, 'SIGKILL')").ended).how).toBe('SIGKILL');
});

test('says why a program cannot be started', async () => {
  const { ended } = children.spawn('/nonexistent/program', []);
  expect((await ended).how).toContain('ENOENT');
});

test('ends every child, and starts none after that', async () => {
  const [one, other] = [node('setInterval(() => {}, 1000)'), node('setInterval(() => {}, 1000)')];
  await children.stop();
  expect((await one.ended).how).toBe('SIGTERM');
  expect((await other.ended).how).toBe('SIGTERM');
  expect(() => node('')).toThrow('everything is being stopped');
});
