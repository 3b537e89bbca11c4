// Messages over a stream socket between two weirs on one machine: structured values, each after its length.
// Invariant: a message is received whole or not at all.
import type { Socket } from 'node:net';
import { deserialize, serialize } from 'node:v8';

const LENGTH_BYTES = 4;

export class MessageSocket {
  readonly #socket: Socket;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #isClosing = false;

  /** `received` is called for each message. Errors of the socket end it; listen to `close`. */
  constructor(socket: Socket, received: (message: unknown) => void) {
    this.#socket = socket;
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => this.#read(bytes, received));
  }

  /** Sends a value that can be cloned; throws if it cannot. */
  send(message: unknown): void {
    const body = serialize(message);
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32LE(body.length);
    this.#socket.cork();
    this.#socket.write(length);
    this.#socket.write(body);
    this.#socket.uncork();
  }

  /** Receives no further message. What was posted is sent, then the socket is closed. */
  close(): void {
    this.#isClosing = true;
    this.#socket.destroySoon();
  }

  /** Receives no further message, but can send. */
  stopReceiving(): void {
    this.#isClosing = true;
  }

  #read(bytes: Buffer, received: (message: unknown) => void): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    for (;;) {
      if (this.#isClosing || this.#heldBytes < LENGTH_BYTES) return;
      if (this.#held[0]!.length < LENGTH_BYTES) this.#held = [Buffer.concat(this.#held)];
      const end = LENGTH_BYTES + this.#held[0]!.readUInt32LE();
      if (this.#heldBytes < end) return;
      const all = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held);
      this.#held = [all.subarray(end)];
      this.#heldBytes -= end;
      received(deserialize(all.subarray(LENGTH_BYTES, end)));
    }
  }
}
