// The network between a browser and a server, which can be cut at any byte.

import net from 'node:net';
import { once } from 'node:events';

export class Wire {
  #server;
  #port;
  #listener;
  #clients = new Set();
  #left = Infinity;

  /** A wire to `server`, for the length of `test`. */
  static async to(test, server) {
    const wire = new Wire();
    wire.#listener = net.createServer((client) => wire.#carry(client));
    await wire.mend(server);
    test.after(() => wire.cut());
    return wire;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}/`;
  }

  /** Resets every connection, and refuses more. */
  cut() {
    this.#listener.close();
    for (const client of this.#clients) {
      // Node loses its hold of a socket that is reset after it was ended.
      if (client.writableEnded) client.destroy();
      else client.resetAndDestroy();
    }
  }

  /** Cuts when so many more bytes have come from the server. */
  async cutAfter(bytes) {
    this.#left = bytes;
    await once(this.#listener, 'close');
  }

  /** Accepts connections again, to the same server or another. */
  async mend(server = this.#server) {
    this.#server = server;
    this.#left = Infinity;
    this.#listener.listen(this.#port ?? 0, '127.0.0.1');
    await once(this.#listener, 'listening');
    this.#port = this.#listener.address().port;
  }

  #carry(client) {
    this.#clients.add(client);
    const server = net.connect(this.#server.port, '127.0.0.1');
    client.pipe(server);
    server.on('data', (bytes) => this.#deliver(client, bytes));
    server.on('close', () => client.destroySoon());
    server.on('error', () => {});
    client.on('error', () => {});
    client.on('close', () => {
      this.#clients.delete(client);
      server.destroy();
    });
  }

  #deliver(client, bytes) {
    const through = bytes.subarray(0, this.#left);
    this.#left -= through.length;
    client.write(through, () => {
      if (this.#left === 0 && this.#listener.listening) this.cut();
    });
  }
}
