// A real Redis for tests. It syncs every write to disk before it responds, and can be killed and started again.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, type Program } from './server.ts';

/** The response of the server on a port to one command; undefined if there is none. */
function send(port: number, command: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${command}\r\n`));
    socket.once('error', () => resolve(undefined));
    socket.once('data', (bytes) => {
      socket.destroy();
      resolve(bytes.toString());
    });
  });
}

/** redis-server with its files in `folder`. */
const redis = (folder: string, more: readonly string[]): Program => ({
  command: 'redis-server',
  args: (port) =>
    `--port ${port} --bind 127.0.0.1 --appendonly yes --appendfsync always`
      .split(' ')
      .concat('--save', '', '--dir', folder, more),
  async isUp(port, pid) {
    // A server with a password responds with an error, which shows that it runs. -LOADING means not ready.
    const response = (await send(port, 'INFO server')) ?? '';
    return response.startsWith('-NOAUTH') || response.includes(`process_id:${pid}\r\n`);
  },
});

export class RedisServer {
  readonly #program: Program;
  readonly #folder: string;
  #server: Server;

  private constructor(program: Program, folder: string, server: Server) {
    this.#program = program;
    this.#folder = folder;
    this.#server = server;
  }

  /** Starts a server on a free port, with further arguments of redis-server. */
  static async start(...args: string[]): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), 'weir-redis-'));
    const program = redis(folder, args);
    return new RedisServer(program, folder, await Server.start(program));
  }

  get port(): number {
    return this.#server.port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts the server again after `kill`, on the same port with the same files. */
  async start(): Promise<void> {
    this.#server = await Server.startOn(this.port, this.#program);
  }

  kill(): Promise<void> {
    return this.#server.kill();
  }

  /** Stops the process. Its connections stay open, but get no response. */
  freeze(): void {
    this.#server.process.kill('SIGSTOP');
  }

  thaw(): void {
    this.#server.process.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true });
  }
}

/** A TCP relay to a server that can be cut. The server then sees its client disconnect. */
export class TcpRelay {
  readonly #server = createServer((near) => this.#join(near));
  readonly #sockets = new Set<Socket>();
  readonly #to: number;

  constructor(port: number) {
    this.#to = port;
  }

  async open(): Promise<string> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Closes all connections and refuses new ones. */
  cut(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(near: Socket): void {
    const far = connect(this.#to, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on('close', () => other.destroy());
      one.on('error', () => other.destroy());
      one.pipe(other);
    }
  }
}
