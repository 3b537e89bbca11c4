// Starts other servers for tests, on a free port, and waits until that process serves the port.
// Invariant: a server that ends while it starts is reported at once, with its exit and the last of its output.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from './port.ts';
import { START_TIMEOUT_MS, until } from './until.ts';

/** Number of further ports to try when a server ends because its port is taken. */
const PORTS = 5;
const MAX_OUTPUT = 4096;
const PORT_TAKEN = /address (?:already |is )?in use|EADDRINUSE/i;

/** A program that serves on a port. */
export interface Program {
  readonly command: string;
  args(port: number): readonly string[];
  /** True once the process serves the port. */
  isUp(port: number, pid: number): Promise<boolean>;
}

/** A server exited while it was starting. */
class EarlyExit extends Error {
  readonly isPortTaken: boolean;

  constructor(command: string, port: number, how: string, output: string) {
    super(
      `${command} on port ${port} ended with ${how} while it was starting: ${output.trim() || 'no output'}`,
    );
    this.isPortTaken = PORT_TAKEN.test(output);
  }
}

export class Server {
  readonly port: number;
  readonly process: ChildProcess;

  private constructor(port: number, process: ChildProcess) {
    this.port = port;
    this.process = process;
  }

  /** Starts a program on a free port. Retries with another one if the port is taken in between. */
  static async start(program: Program): Promise<Server> {
    for (let tries = 1; ; tries++) {
      try {
        return await Server.startOn(await freePort(), program);
      } catch (error) {
        if (!(error instanceof EarlyExit && error.isPortTaken) || tries === PORTS) throw error;
      }
    }
  }

  /** Starts a program on this port. Rejects as soon as it exits. */
  static async startOn(port: number, program: Program): Promise<Server> {
    const child = spawn(program.command, program.args(port), { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk: Buffer) => (output = (output + chunk.toString()).slice(-MAX_OUTPUT));
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const ended = Promise.race([
      once(child, 'close').then(([code, signal]) => String(signal ?? `code ${code}`)),
      once(child, 'error').then(([error]) => (error as Error).message),
    ]).catch((error: unknown) => String(error));
    // The port may belong to another server, which need not respond.
    const isUp = async () => {
      const up = await Promise.race([ended, program.isUp(port, child.pid!)]);
      if (typeof up === 'string') throw new EarlyExit(program.command, port, up, output);
      return up;
    };
    try {
      await until(`${program.command} is up`, isUp, START_TIMEOUT_MS);
    } catch (error) {
      child.kill('SIGKILL');
      throw error instanceof EarlyExit
        ? error
        : new Error(`${String(error)}; it wrote: ${output}`, { cause: error });
    }
    return new Server(port, child);
  }

  /** Kills the process. Resolves once it has exited. */
  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exited = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await exited;
  }
}
