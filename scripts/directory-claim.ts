import { rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join, relative } from 'node:path';

/**
 * Makes this process the only one that works in a directory, until it ends; false when another one does.
 *
 * Whoever has it listens on a socket in it, so what a killed process left is nobody's.
 */
export async function claimDirectory(directory: string): Promise<boolean> {
  // A path of a socket has 108 characters at most, and folders may be deep.
  const path = relative(process.cwd(), join(directory, 'up.sock'));
  if (await listens(path)) return true;
  if (await answers(path)) return false;
  rmSync(path, { force: true });
  return listens(path);
}

function listens(path: string): Promise<boolean> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(path, () => resolve(true));
    server.unref();
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
