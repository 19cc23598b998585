// Ports for servers that restart.

import { once } from 'node:events';
import net from 'node:net';

/** A port that this process has not used, and that the system does not give to a client meanwhile. */
export async function freePort() {
  for (;;) {
    const port = nextPort;
    nextPort += 1;
    const probe = net.createServer();
    try {
      probe.listen(port, '127.0.0.1');
      await once(probe, 'listening');
      probe.close();
      await once(probe, 'close');
      return port;
    } catch (error) {
      if (error.code !== 'EADDRINUSE') throw error;
    }
  }
}

let nextPort = 20_000 + (process.pid % 10_000);
