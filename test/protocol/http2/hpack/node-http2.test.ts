// HPACK against Node's HTTP/2 (nghttp2), in both directions, with random header fields.
import { once } from 'node:events';
import {
  connect,
  performServerHandshake,
  type ClientHttp2Session,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Decoder } from '../../../../src/protocol/http2/hpack/decoder.ts';
import { Encoder } from '../../../../src/protocol/http2/hpack/encoder.ts';
import { intern } from '../../../../src/protocol/http2/hpack/interned-fields.ts';
import { decodeAll, section } from './blocks.ts';

const runs = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 60) };
const HEADERS = 1;
const SETTINGS = 4;
const CONTINUATION = 9;
const END_STREAM_AND_HEADERS = 5;
const ACK = 1;
const EMPTY = Buffer.alloc(0);
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** A frame with all its flags (RFC 9113 4.1). */
function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A socket whose other end is the test. */
class TestSocket extends Duplex {
  written = Buffer.alloc(0);
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written = Buffer.concat([this.written, chunk]);
    this.emit('written');
    done();
  }

  /** The header blocks written so far, and the length of their frames' input that was used. */
  blocks(): Buffer[] {
    const blocks: Buffer[] = [];
    const isClient = this.written.subarray(0, PREFACE.length).equals(PREFACE);
    for (let at = isClient ? PREFACE.length : 0; at + 9 <= this.written.length;) {
      const to = at + 9 + this.written.readUIntBE(at, 3);
      const type = this.written[at + 3]!;
      // Padding is off, and bit 5 tells of a priority in front of the block.
      const from = at + 9 + (type === HEADERS && (this.written[at + 4]! & 0x20) !== 0 ? 5 : 0);
      if (type === HEADERS) blocks.push(this.written.subarray(from, to));
      else if (type === CONTINUATION)
        blocks.push(Buffer.concat([blocks.pop()!, this.written.subarray(from, to)]));
      at = to;
    }
    return blocks;
  }
}

// Node combines some repeated names, and refuses those of one connection.
const name = fc.oneof(
  fc.constantFrom('accept', 'authorization', 'cookie', 'etag', 'x-a', 'x-b', 'user-agent', 'grpc-timeout'),
  fc.stringMatching(/^x-[a-z0-9-]{1,30}$/),
);
/** All bytes that Node sends and takes: visible ones, spaces between them, and those from 0x80. */
const value = fc.oneof(
  fc.constantFrom('a', 'gzip, deflate', 'application/grpc'),
  // oxlint-disable-next-line no-control-regex
  fc.stringMatching(/^[\x21-\x7e\x80-\xff]([\x20-\x7e\x80-\xff]{0,300}[\x21-\x7e\x80-\xff])?$/),
);
const headers = fc.dictionary(name, value, { maxKeys: 10 });
const tableSize = fc.constantFrom(0, 60, 256, 4096, 65_536);

/** Sorted pairs of a raw list without pseudo-headers, since Node does not tell their order. */
const regular = (raw: readonly string[]): string[] =>
  raw.flatMap((name, i) => (i % 2 === 0 && !name.startsWith(':') ? [`${name}: ${raw[i + 1]}`] : [])).sort();
const pairs = (list: Record<string, string>): string[] =>
  Object.entries(list)
    .map(([name, value]) => `${name}: ${value}`)
    .sort();

describe('Node’s HTTP/2', () => {
  it('sends header blocks that weir decodes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(headers, { minLength: 1, maxLength: 8 }), async (lists) => {
        const socket = new TestSocket();
        const session: ClientHttp2Session = connect('http://a', { createConnection: () => socket });
        session.on('error', () => expect.fail('the session has an error'));
        socket.push(frame(SETTINGS, 0, 0, EMPTY));
        for (const list of lists) {
          const sent: OutgoingHttpHeaders = { ':path': '/', ...list };
          session.request(sent, { endStream: true }).on('error', () => {});
        }
        while (socket.blocks().length < lists.length) await once(socket, 'written');
        const decoder = new Decoder(64 * 1024);
        for (const [i, bytes] of socket.blocks().entries()) {
          const block = decodeAll(decoder, bytes);
          expect([block.requestProblem(), block.method, block.path]).toEqual(['', 'GET', '/']);
          expect(regular(block.raw())).toEqual(pairs(lists[i]!));
          const secret = block.fields.find((field) => field.name === 'authorization');
          expect(secret?.isNeverIndexed ?? true).toBe(true);
        }
        session.removeAllListeners('error').destroy();
      }),
      runs,
    );
  });

  it('decodes header blocks that weir sends, for any size of its table', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(headers, { minLength: 1, maxLength: 8 }),
        fc.array(tableSize, { maxLength: 3 }),
        async (lists, sizes) => {
          const socket = new TestSocket();
          const session = performServerHandshake(socket, { settings: { headerTableSize: sizes[0] ?? 4096 } });
          const received: string[][] = [];
          const arrived = new Promise<void>((resolve, reject) => {
            session.on('error', reject);
            session.on('stream', (_stream, _headers, _flags, raw: string[]) => {
              if (received.push(regular(raw)) === 2 * lists.length) resolve();
            });
          });
          const encoder = new Encoder();
          for (const size of sizes.toReversed()) encoder.limit(size);
          // Node sends its settings first, and takes no acknowledgement before.
          while (socket.written.length < 9) await once(socket, 'written');
          socket.push(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, EMPTY), frame(SETTINGS, ACK, 0, EMPTY)]));
          for (const [i, list] of [...lists, ...lists].entries()) {
            const request = Object.entries({
              ':method': 'GET',
              ':scheme': 'http',
              ':path': '/',
              ':authority': 'a',
              ...list,
            });
            const block = section(encoder, (out, start) =>
              request.reduce((at, [name, value]) => encoder.field(intern(name, value), out, at), start),
            );
            socket.push(frame(HEADERS, END_STREAM_AND_HEADERS, 2 * i + 1, block));
          }
          await arrived;
          expect(received).toEqual([...lists, ...lists].map(pairs));
          session.destroy();
        },
      ),
      runs,
    );
  });
});
