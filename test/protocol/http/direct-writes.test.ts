// Writes past a socket's stream: order, sockets that take a part only, and failures.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { execFileSync } from 'node:child_process';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { DirectWrites } from '../../../src/protocol/http/direct-writes.ts';
import { until } from '../../kit/until.ts';

const ended: (() => void)[] = [];
afterEach(() => {
  for (const end of ended.splice(0)) end();
});

/** A connected pair of sockets. The far one is paused. */
async function pair(): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  await once(server, 'listening');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  near.on('error', () => undefined);
  await once(near, 'connect');
  const [far] = await accepted;
  far.on('error', () => undefined);
  ended.push(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  return { near, far };
}

function watched(near: Socket): { writes: DirectWrites; events: string[] } {
  const events: string[] = [];
  const writes = new DirectWrites(near, {
    written: () => events.push('written'),
    failed: ({ code }) => events.push(code ?? 'no code'),
  });
  return { writes, events };
}

async function read(far: Socket, bytes: number): Promise<string> {
  let text = '';
  far.on('data', (chunk: Buffer) => (text += chunk.latin1Slice()));
  far.resume();
  await until('all bytes', () => text.length >= bytes);
  return text;
}

describe('direct writes', () => {
  it('write every Latin-1 character as one byte', async () => {
    const { near, far } = await pair();
    const text = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('');
    expect(watched(near).writes.write(text)).toBe(true);
    expect(await read(far, 256)).toBe(text);
    expect(near.bytesWritten).toBe(256);
  });

  it('keep the order of all bytes, also with those of the stream, while the other side reads slowly', async () => {
    const pieces = fc.array(
      fc.record({ isDirect: fc.boolean(), bytes: fc.integer({ min: 1, max: 15_000 }) }),
      {
        minLength: 400,
        maxLength: 800,
      },
    );
    let wasPending = false;
    await fc.assert(
      fc.asyncProperty(pieces, async (list) => {
        const { near, far } = await pair();
        const { writes } = watched(near);
        let sent = '';
        for (const [i, { isDirect, bytes }] of list.entries()) {
          const text = String.fromCharCode(33 + (i % 200)).repeat(bytes);
          sent += text;
          if (!isDirect || !writes.write(text)) near.write(text, 'latin1');
          wasPending ||= writes.isPending;
        }
        expect(await read(far, sent.length)).toBe(sent);
        near.destroy();
      }),
      { numRuns: 10 },
    );
    expect(wasPending).toBe(true);
  });

  it('are pending while the system has taken a part only, and then tell that all is written', async () => {
    const { near, far } = await pair();
    const { writes, events } = watched(near);
    let bytes = 0;
    while (!writes.isPending) {
      expect(writes.write('x'.repeat(15_000))).toBe(true);
      bytes += 15_000;
    }
    expect(writes.write('y')).toBe(false);
    expect(events).toEqual([]);
    expect(await read(far, bytes)).toHaveLength(bytes);
    await until('the rest is written', () => !writes.isPending);
    expect(events).toEqual(['written']);
    expect(writes.write('y')).toBe(true);
  });

  it('tell the error if the other side resets the connection before it has taken all', async () => {
    const { near, far } = await pair();
    const { writes, events } = watched(near);
    while (!writes.isPending) writes.write('x'.repeat(15_000));
    far.resetAndDestroy();
    await until('the write fails', () => events.length > 0 || near.destroyed);
    expect(['ECONNRESET', 'EPIPE', undefined]).toContain(events[0]);
    expect(near.destroyed || !writes.isPending).toBe(true);
  });

  it('leave to the stream what it must write: long texts, corked and destroyed sockets, sockets that connect', async () => {
    const { near } = await pair();
    const { writes } = watched(near);
    expect(writes.write('x'.repeat(16_001))).toBe(false);
    near.cork();
    near.write('x');
    expect(writes.write('x')).toBe(false);
    near.uncork();
    near.destroy();
    expect(writes.write('x')).toBe(false);
    const connecting = connect(1, '127.0.0.1').on('error', () => undefined);
    expect(watched(connecting).writes.write('x')).toBe(false);
    connecting.destroy();
    expect(watched(new PassThrough() as unknown as Socket).writes.write('x')).toBe(false);
  });

  it('write nothing where Node does not allow its internal functions, and say so to the caller', () => {
    const module = new URL('../../../src/protocol/http/direct-writes.ts', import.meta.url).href;
    const script = `
      process.binding = () => { throw new Error('not here'); };
      const { DirectWrites } = await import(${JSON.stringify(module)});
      const { Socket } = await import('node:net');
      console.log(new DirectWrites(new Socket(), { written() {}, failed() {} }).write('x'));`;
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(out.trim()).toBe('false');
  });
});
