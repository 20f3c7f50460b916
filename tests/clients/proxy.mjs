// A TCP proxy that stands between a client library and the server, so that a test can break the
// library's connections without the library's co-operation.
//
// Control (HTTP, on a port of its own):
//   POST /cut                 reset every client connection and the server's side of it;
//                             connections made from now on are accepted and held
//   POST /cut?server=open     the same, but the server's side stays open and is never read again:
//                             the server is not told that the client has gone
//   POST /release             join held connections to the server and let new ones through
//   GET  /state               {"open":n,"held":n,"holding":bool}

import http from 'node:http';
import net from 'node:net';

const HOST = '127.0.0.1';

/** Listens on `server` at a free port of 127.0.0.1 and resolves to that port. */
function listen(server) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, HOST, () => resolve(server.address().port));
  });
}

/** The proxy. `target` is the server's port and may be set after `start`. */
export class Proxy {
  target = null;
  #holding = false;
  #held = new Set();
  #pairs = new Set();
  #abandoned = new Set();
  #listener = net.createServer({ pauseOnConnect: true }, (client) => this.#accept(client));
  #control = http.createServer((request, response) => this.#command(request, response));

  /** Starts both listeners; resolves to `{port, controlUrl}`. */
  async start() {
    const [port, controlPort] = await Promise.all([listen(this.#listener), listen(this.#control)]);
    return { port, controlUrl: `http://${HOST}:${controlPort}` };
  }

  /** Drops every connection and both listeners. */
  stop() {
    this.#listener.close();
    this.#control.close();
    this.#control.closeAllConnections();
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    for (const socket of [...this.#held, ...this.#abandoned]) socket.destroy();
  }

  #accept(client) {
    client.setNoDelay(true);
    client.on('error', () => client.destroy());
    if (!this.#holding) return this.#join(client);
    this.#held.add(client);
    client.once('close', () => this.#held.delete(client));
  }

  #join(client) {
    const server = net.connect({ host: HOST, port: this.target, noDelay: true });
    const pair = { client, server };
    this.#pairs.add(pair);
    const end = () => {
      if (!this.#pairs.delete(pair)) return;
      client.destroy();
      server.destroy();
    };
    client.on('close', end);
    server.on('close', end);
    server.on('error', () => server.destroy());
    client.pipe(server).pipe(client);
  }

  #cut(keepServerSide) {
    this.#holding = true;
    const count = this.#pairs.size;
    for (const pair of this.#pairs) {
      const { client, server } = pair;
      this.#pairs.delete(pair);
      client.unpipe(server);
      server.unpipe(client);
      client.resetAndDestroy();
      if (keepServerSide) {
        server.pause();
        this.#abandoned.add(server);
        server.once('close', () => this.#abandoned.delete(server));
      } else {
        server.resetAndDestroy();
      }
    }
    return { cut: count };
  }

  #release() {
    this.#holding = false;
    const count = this.#held.size;
    for (const client of this.#held) {
      this.#held.delete(client);
      this.#join(client);
    }
    return { released: count };
  }

  #command(request, response) {
    const { pathname, searchParams } = new URL(request.url, `http://${HOST}`);
    const answer = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    switch (`${request.method} ${pathname}`) {
      case 'POST /cut':
        return answer(200, this.#cut(searchParams.get('server') === 'open'));
      case 'POST /release':
        return answer(200, this.#release());
      case 'GET /state':
        return answer(200, { open: this.#pairs.size, held: this.#held.size, holding: this.#holding });
      default:
        return answer(404, { error: 'unknown command' });
    }
  }
}
