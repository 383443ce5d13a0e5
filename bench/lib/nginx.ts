import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, waitForPort } from './ports.ts';
import { MeasuredProcess, SERVER_CORE } from './measured-process.ts';
import type { MeasuredServer } from './measured-server.ts';

const RTMP_MODULE = '/usr/lib/nginx/modules/ngx_rtmp_module.so';

/** A running nginx with a directory of its own. */
export interface RunningNginx extends MeasuredServer {
  /** Served at `/`, or where HLS is written. */
  readonly root: string;
}

async function start(configure: (port: number, root: string) => string): Promise<RunningNginx> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-nginx-'));
  const root = join(directory, 'root');
  mkdirSync(root);
  const port = await freePort();
  const head = existsSync(RTMP_MODULE) ? `load_module ${RTMP_MODULE};\n` : '';
  const common = `daemon off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/error.log;
user root; worker_rlimit_nofile 65536;\n`;
  writeFileSync(join(directory, 'nginx.conf'), head + common + configure(port, root));
  const process = new MeasuredProcess('nginx', ['-p', directory, '-c', join(directory, 'nginx.conf')], {
    core: SERVER_CORE,
  });
  await waitForPort(port);
  return {
    process,
    port,
    root,
    async stop() {
      await process.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** nginx as a file server: one worker, sendfile, keep-alive. */
export function startNginxOrigin(): Promise<RunningNginx> {
  return start(
    (port, root) => `events { worker_connections 4096; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; open_file_cache max=1000;
  types { application/vnd.apple.mpegurl m3u8; video/mp4 m4s mp4; }
  server { listen 127.0.0.1:${port}; root ${root}; }
}`,
  );
}

/** nginx's RTMP module taking publications; with `hasHls`, writing HLS of 2 s segments. */
export function startNginxRtmp(options: { readonly hasHls: boolean }): Promise<RunningNginx> {
  return start(
    (port, root) => `events { worker_connections 20000; }
rtmp { server { listen 127.0.0.1:${port}; chunk_size 4096;
  application live { live on; ${options.hasHls ? `hls on; hls_path ${root}; hls_fragment 2s; hls_playlist_length 12s;` : ''} }
} }`,
  );
}
