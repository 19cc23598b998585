// A TCP proxy between a browser and a server, whose connections can be cut at any byte.

import net from 'node:net';
import { once } from 'node:events';

export class TcpProxy {
  #server;
  #port;
  #listener;
  #clients = new Set();
  #bytesLeft = Infinity;

  /** Starts a proxy for `server`, for the length of `test`. */
  static async start(test, server) {
    const proxy = new TcpProxy();
    proxy.#listener = net.createServer((client) => proxy.#connect(client));
    await proxy.restore(server);
    test.after(() => proxy.cut());
    return proxy;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}/`;
  }

  /** Resets all connections, and refuses new ones. */
  cut() {
    this.#listener.close();
    for (const client of this.#clients) {
      // Node loses the handle of a socket that is reset after it was ended.
      if (client.writableEnded) client.destroy();
      else client.resetAndDestroy();
    }
  }

  /** Cuts after so many more bytes from the server, and returns then. */
  async cutAfter(bytes) {
    this.#bytesLeft = bytes;
    await once(this.#listener, 'close');
  }

  /** Accepts connections again, to the same server or another. */
  async restore(server = this.#server) {
    this.#server = server;
    this.#bytesLeft = Infinity;
    this.#listener.listen(this.#port ?? 0, '127.0.0.1');
    await once(this.#listener, 'listening');
    this.#port = this.#listener.address().port;
  }

  #connect(client) {
    this.#clients.add(client);
    const server = net.connect(this.#server.port, '127.0.0.1');
    client.pipe(server);
    server.on('data', (bytes) => this.#send(client, bytes));
    server.on('close', () => client.destroySoon());
    server.on('error', () => {});
    client.on('error', () => {});
    client.on('close', () => {
      this.#clients.delete(client);
      server.destroy();
    });
  }

  #send(client, bytes) {
    const passed = bytes.subarray(0, this.#bytesLeft);
    this.#bytesLeft -= passed.length;
    client.write(passed, () => {
      if (this.#bytesLeft === 0 && this.#listener.listening) this.cut();
    });
  }
}
