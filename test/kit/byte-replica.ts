// HTTP exchanges in raw bytes on both sides, for tests.
// Invariant: text is latin1, one character per byte.
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { startRawReplica, type Replica } from './replica.ts';
import { until } from './until.ts';

/** A replica that responds to every request with `next`, and collects the heads of the requests in `heads`. */
export interface ByteReplica {
  readonly replica: Replica;
  /** Pieces of a response, written one after the other. */
  next: readonly string[];
  /** True: the connection ends after the response. */
  closes: boolean;
  readonly heads: string[];
  /** All bytes received on the connection that was used last. */
  seen: string;
  readonly script: (socket: Socket) => void;
}

/** Writes pieces in separate packets as far as the operating system allows. */
async function writePieces(socket: Socket, pieces: readonly string[]): Promise<void> {
  for (const piece of pieces) {
    if (!socket.writable) return;
    await new Promise((resolve) => socket.write(piece, 'latin1', resolve));
    await new Promise(setImmediate);
  }
}

export async function startByteReplica(): Promise<ByteReplica> {
  const script = (socket: Socket): void => {
    socket.setNoDelay(true);
    let unread = '';
    let isResponding = false;
    socket.on('data', (chunk) => {
      unread += chunk.toString('latin1');
      state.seen = unread;
      const end = unread.indexOf('\r\n\r\n');
      if (isResponding || end === -1) return;
      state.heads.push(unread.slice(0, end + 4));
      isResponding = true;
      void writePieces(socket, state.next).then(() => {
        isResponding = false;
        unread = '';
        if (state.closes) socket.end();
      });
    });
  };
  const state: ByteReplica = {
    replica: await startRawReplica(script),
    next: [],
    closes: false,
    heads: [],
    seen: '',
    script,
  };
  return state;
}

/** Sends bytes. Returns all received bytes once the other side has closed, or `isEnough` is true. */
export async function exchangeBytes(
  port: number,
  pieces: readonly string[],
  isEnough: (received: string) => boolean = () => false,
  isTls = false,
): Promise<string> {
  const at = { host: '127.0.0.1', port };
  const socket = isTls ? connectTls({ ...at, rejectUnauthorized: false }) : connect({ ...at, noDelay: true });
  let received = '';
  let isOver = false;
  socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
  // A reset ends the connection as well; the result is the bytes before it.
  socket.on('error', () => (isOver = true));
  socket.on('close', () => (isOver = true));
  socket.on('end', () => (isOver = true));
  await writePieces(socket, pieces);
  await until(
    `the response to ${JSON.stringify(pieces.join('').slice(0, 200))} has arrived (${JSON.stringify(received)})`,
    () => isOver || isEnough(received),
  );
  socket.destroy();
  return received;
}

/** Values of a field in the head at the start of `text`, in order. */
export const fieldValues = (text: string, name: string): string[] =>
  text
    .split('\r\n\r\n')[0]!
    .split('\r\n')
    .slice(1)
    .flatMap((line) => {
      const colon = line.indexOf(':');
      return line.slice(0, colon).toLowerCase() === name.toLowerCase() ? [line.slice(colon + 1).trim()] : [];
    });
