import { expect, test } from '@jest/globals';
import type { LogLine, ServiceProcess } from './service-process.ts';

/** Starts a service as a process, on ports that the system chooses. */
export type StartProcess = (
  args?: readonly string[],
  options?: { readonly maxOpenFiles?: number },
) => ServiceProcess;

/** What every service with public HTTP keeps to as a process of its own. */
export function describeServiceProcess(
  service: string,
  start: StartProcess,
  expected: {
    /** Files that its limits may need open. */
    readonly maxFiles: number;
    /** Settings that need few of them. */
    readonly small: readonly string[];
    /** Nothing of it may be written anywhere. */
    readonly secret: string;
  },
): void {
  test('serves health, readiness and metrics, logs JSON lines, and stops with 0', async () => {
    const started = start(['--logLevel', 'debug']);
    const { admin, http } = await started.listening();

    const health = await fetch(`${admin}/healthz`);
    expect([health.status, await health.text()]).toEqual([200, 'ok\n']);
    const ready = await fetch(`${admin}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([200, 'ready\n']);
    const metrics = await fetch(`${admin}/metrics`);
    expect(metrics.status).toBe(200);
    expect(metrics.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await metrics.text();
    for (const name of ['millrace_http_dropped_connections_total', 'process_open_fds', 'nodejs_version_info'])
      expect(text).toContain(`# TYPE ${name} `);
    expect(text).toMatch(
      new RegExp(`^millrace_http_dropped_connections_total\\{service="${service}"\\} 0$`, 'm'),
    );
    expect((await fetch(`${admin}/healthz`, { method: 'POST' })).status).toBe(405);
    expect((await fetch(`${admin}/v1/channels`)).status).toBe(404);
    // What is for operators is not on the public port.
    for (const path of ['/metrics', '/healthz', '/readyz'])
      expect((await fetch(`${http}${path}`)).status).toBe(404);

    expect(await started.stop()).toBe(0);
    const lines = started.log;
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      expect(line).toMatchObject({
        service,
        level: expect.stringMatching(/^(debug|info|warn|error)$/),
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        msg: expect.stringMatching(/./),
      });
    }
    expect(started.stderr).not.toContain(expected.secret);
  });

  test('warns in one sentence when it may not open as many files as its connections need', async () => {
    const started = start([], { maxOpenFiles: 256 });
    await started.listening();
    const warnings = started.log.filter(isAboutFiles);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({
      limit: 256,
      needed: expected.maxFiles,
      msg: expect.stringMatching(
        new RegExp(
          `^At most 256 files may be open, and http\\.maxConnections.* may need ${expected.maxFiles}: .*\\.$`,
        ),
      ),
    });
    await started.stop();

    const enough = start(['--http.maxConnections', '20', ...expected.small], { maxOpenFiles: 256 });
    await enough.listening();
    expect(enough.log.filter(isAboutFiles)).toEqual([]);
  });
}

function isAboutFiles({ level, msg }: LogLine): boolean {
  return level === 'warn' && /files may be open/.test(String(msg));
}
