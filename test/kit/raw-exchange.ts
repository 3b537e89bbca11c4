// Raw exchanges for tests: sends bytes in pieces on a socket, and reads the received messages strictly.
import { connect, type Socket } from 'node:net';

/** A message: its head, its body without chunk framing, its trailer lines. */
export interface Message {
  readonly start: string;
  readonly head: string;
  readonly body: string;
  readonly trailers: string[];
}

/** The first message in `text` and its end, `undefined` while it is incomplete. Throws if it is malformed. */
export function readMessage(text: string, isToHead = false): { message: Message; end: number } | undefined {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd === -1) return undefined;
  const head = text.slice(0, headEnd);
  const start = head.slice(0, head.indexOf('\r\n'));
  let at = headEnd + 4;
  const hasNoBody = isToHead || /^HTTP\/1\.1 (1\d\d|204|304)/.test(start);
  if (hasNoBody) return { message: { start, head, body: '', trailers: [] }, end: at };
  if (!/\r\ntransfer-encoding: chunked/i.test(head)) {
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (text.length < at + length) return undefined;
    return { message: { start, head, body: text.slice(at, at + length), trailers: [] }, end: at + length };
  }
  let body = '';
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const line = text.slice(at, lineEnd);
    // Only a size, since messages that weir passes on have no chunk extensions.
    if (!/^[0-9a-f]+$/i.test(line)) throw new Error(`a chunk size line is ${JSON.stringify(line)}`);
    const size = Number.parseInt(line, 16);
    at = lineEnd + 2;
    if (size === 0) break;
    if (text.length < at + size + 2) return undefined;
    body += text.slice(at, at + size);
    if (text.slice(at + size, at + size + 2) !== '\r\n')
      throw new Error('a chunk does not end with its size');
    at += size + 2;
  }
  const trailers: string[] = [];
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const line = text.slice(at, lineEnd);
    at = lineEnd + 2;
    if (line === '') return { message: { start, head, body, trailers }, end: at };
    trailers.push(line);
  }
}

/** All messages in `text`, and the remaining text. */
export function readMessages(text: string): { messages: Message[]; rest: string } {
  const messages: Message[] = [];
  let rest = text;
  for (;;) {
    const read = readMessage(rest);
    if (read === undefined) return { messages, rest };
    messages.push(read.message);
    rest = rest.slice(read.end);
  }
}

/** Writes pieces so that each is most likely read separately. */
export async function sendApart(socket: Socket, pieces: readonly string[]): Promise<void> {
  for (const piece of pieces) {
    if (piece === '' || socket.destroyed) continue;
    await new Promise<void>((resolve) => socket.write(piece, 'latin1', () => resolve()));
    for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Sends bytes. Returns the received ones once `count` responses are complete, or the connection ends. */
export function exchange(
  port: number,
  pieces: readonly string[],
  count = 1,
): Promise<{ received: string; isEnded: boolean }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    let received = '';
    const done = (isEnded: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ received, isEnded });
    };
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end within 10 s of ${JSON.stringify(pieces)}: ${JSON.stringify(received)}`));
    }, 10_000);
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      try {
        if (readMessages(received).messages.length >= count) done(false);
      } catch {
        // Malformed: the test checks the received bytes.
        done(false);
      }
    });
    socket.on('error', () => done(true));
    socket.on('close', () => done(true));
    void sendApart(socket, pieces);
  });
}
