// WebSockets through weir, with the ws package on both sides.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { closeFrame } from '../../src/protocol/websocket/frame-counter.ts';
import { RawClient } from '../kit/client.ts';
import { startRawReplica, type Replica } from '../kit/replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, type Weir } from '../kit/weir.ts';

const OPEN = 'baseten_ongoing_websocket_connections';
const ended = (code: number) => `baseten_inference_requests_total{status_code="${code}",is_async="false"}`;

const UPGRADE =
  'GET /websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';

describe('a WebSocket', () => {
  let server: WebSocketServer;
  let weir: Weir;
  let onConnection: (socket: WebSocket, req: IncomingMessage) => void;

  const echo = (socket: WebSocket) =>
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  const open = async (path: string) => {
    const socket = new WebSocket(`ws://127.0.0.1:${weir.port}${path}`);
    const upgrade = once(socket, 'upgrade') as Promise<[IncomingMessage]>;
    // Registered first, since a replica that closes at once may do so before the caller of `open` continues.
    const closed = once(socket, 'close') as Promise<[number, Buffer]>;
    await once(socket, 'open');
    return { socket, closed, id: (await upgrade)[0].headers['x-baseten-request-id'] as string };
  };

  beforeAll(async () => {
    server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    server.on('connection', (socket, req) => onConnection(socket, req));
    weir = await startWeir([
      '--replica',
      `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      '--pool-probe-interval=1d',
      '--proxy-idle-timeout=500ms',
      '--proxy-total-timeout=1s',
      '--proxy-first-byte-timeout=500ms',
      '--proxy-websocket-max-message=300000',
    ]);
  });
  afterEach(() => {
    for (const client of server.clients) client.terminate();
  });
  afterAll(async () => {
    await weir.stop('SIGKILL');
    server.close();
  });

  it('forwards text and binary messages in both directions, with the request id on both sides', async () => {
    let seen: IncomingMessage | undefined;
    onConnection = (socket, req) => {
      seen = req;
      echo(socket);
    };
    const { socket, id } = await open('/production/websocket?x=1');
    expect(id).toMatch(/^[0-9a-f]{37}$/);
    expect(seen!.url).toBe('/v1/websocket?x=1');
    expect(seen!.headers['x-baseten-request-id']).toBe(id);
    expect(seen!.headers['x-request-id']).toBe(id);
    for (const message of ['hello', 'x'.repeat(200_000)]) {
      socket.send(message);
      const [data] = (await once(socket, 'message')) as [Buffer];
      expect(data.toString()).toBe(message);
    }
    socket.send(Buffer.from([0, 1, 255]));
    expect((await once(socket, 'message'))[0]).toEqual(Buffer.from([0, 1, 255]));
    socket.close(1000);
    await once(socket, 'close');
  });

  it('is counted while it is open, and by its close code and sizes after it has closed', async () => {
    onConnection = echo;
    const before = (await weir.page()).value(ended(1000)) ?? 0;
    const { socket, id } = await open('/sync/anything');
    await weir.expectMetric(OPEN, 1);
    await weir.expectMetric('baseten_concurrent_requests', 1);
    socket.send('12345');
    await once(socket, 'message');
    socket.close(1000, 'bye');
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
    expect([code, reason.toString()]).toEqual([1000, 'bye']);
    await weir.expectMetric(OPEN, 0);
    await weir.expectMetric('baseten_concurrent_requests', 0);
    await weir.expectMetric(ended(1000), before + 1);
    expect(await weir.expectExchange(id)).toMatchObject({
      protocol: 'websocket',
      status: 1000,
      cause: 'ok',
      request_bytes: 5,
      response_bytes: 5,
    });
  });

  it('forwards pings and pongs with their payload in both directions', async () => {
    const heard: string[] = [];
    const listen = (side: string, socket: WebSocket) => {
      for (const kind of ['ping', 'pong'])
        socket.on(kind, (data: Buffer) => heard.push(`${side} ${kind} ${data.toString()}`));
    };
    onConnection = (socket) => {
      listen('replica', socket);
      socket.ping('from the replica');
    };
    const socket = new WebSocket(`ws://127.0.0.1:${weir.port}/websocket`);
    listen('client', socket);
    await once(socket, 'open');
    socket.ping('from the client');
    await until('all four have arrived', () => heard.length === 4);
    expect(heard.sort()).toEqual([
      'client ping from the replica',
      'client pong from the client',
      'replica ping from the client',
      'replica pong from the replica',
    ]);
    socket.terminate();
  });

  it('uses its capacity at the replica until it closes, so the next one waits', async () => {
    const other = await startWeir([
      '--replica',
      `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      '--deployment-concurrency-target=1',
    ]);
    onConnection = echo;
    const first = new WebSocket(`ws://127.0.0.1:${other.port}/websocket`);
    await once(first, 'open');
    const second = new WebSocket(`ws://127.0.0.1:${other.port}/websocket`);
    const opened = once(second, 'open');
    await other.expectMetric('weir_queue_length{deployment_id="local"}', 1);
    await other.expectMetric(OPEN, 1);
    expect(second.readyState).toBe(WebSocket.CONNECTING);
    first.close();
    await opened;
    await other.expectMetric('weir_queue_length{deployment_id="local"}', 0);
    await other.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 1);
    second.terminate();
    await other.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
    await other.stop('SIGKILL');
  });

  it('ends with the closing handshake even if neither side closes its connection', async () => {
    const quiet = await startRawReplica((socket) => {
      socket.once('data', (head: Buffer) => {
        const key = /sec-websocket-key: (\S+)/i.exec(head.toString('latin1'))![1]!;
        const accept = createHash('sha1')
          .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
          .digest('base64');
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
        );
        socket.once('data', () => socket.write(closeFrame(1000, false)));
      });
    });
    const other = await startWeir(['--replica', quiet.url, '--pool-probe-interval=1d']);
    const client = new RawClient(other.port).send(UPGRADE);
    await client.expectReceived('\r\n\r\n');
    await other.expectMetric(OPEN, 1);
    client.socket.write(closeFrame(1000, true));
    const { status, cause } = await other.expectLine('its end', ({ event }) => event === 'exchange');
    expect([status, cause]).toEqual([1000, 'ok']);
    await other.expectMetric(OPEN, 0);
    // The close frame of the replica has been forwarded before.
    expect(await client.expectClosed()).toContain(closeFrame(1000, false).toString('latin1'));
    await other.stop('SIGKILL');
    await quiet.close();
  });

  it('is not counted as an HTTP response if its close code looks like a status', async () => {
    onConnection = (socket) => socket.on('error', () => undefined);
    const { socket } = await open('/websocket');
    const client = socket as unknown as { _socket: Socket };
    client._socket.write(closeFrame(200, true));
    await weir.expectMetric('baseten_inference_requests_total{status_code="other",is_async="false"}', 1);
    expect((await weir.page()).value(ended(200))).toBeUndefined();
  });

  it('ends with the close code of the replica', async () => {
    onConnection = (socket) => socket.close(1013, 'overloaded');
    const { closed, id } = await open('/websocket');
    const [code] = await closed;
    expect(code).toBe(1013);
    expect(await weir.expectExchange(id)).toMatchObject({ status: 1013, cause: 'ok' });
  });

  it('closes the replica’s side when the client disconnects, with cause client_gone', async () => {
    let replicaSide: WebSocket | undefined;
    onConnection = (socket) => (replicaSide = socket);
    const { socket, id } = await open('/websocket');
    await until('the replica has the connection', () => replicaSide !== undefined);
    socket.terminate();
    await once(replicaSide!, 'close');
    expect(await weir.expectExchange(id)).toMatchObject({ status: 1006, cause: 'client_gone' });
    await weir.expectMetric(OPEN, 0);
  });

  it('closes the client’s side when the replica disconnects, with cause reset_midway', async () => {
    onConnection = (socket) => socket.terminate();
    const { closed, id } = await open('/websocket');
    const [code] = await closed;
    expect(code).toBe(1006);
    expect(await weir.expectExchange(id)).toMatchObject({ status: 1006, cause: 'reset_midway' });
  });

  it.each(['client', 'replica'])(
    'closes both sides with 1009 after a message of the %s over the limit',
    async (sender) => {
      const atReplica = new Promise<number>((resolve) => {
        onConnection = (socket) => {
          socket.on('close', (code) => resolve(code));
          if (sender === 'replica') socket.on('message', () => socket.send(Buffer.alloc(300_001)));
        };
      });
      const before = (await weir.page()).value(ended(1009)) ?? 0;
      const { socket, closed } = await open('/websocket');
      if (sender === 'replica') socket.send('please');
      else {
        // In fragments, since the limit is for the whole message.
        for (let i = 0; i < 4; i++) socket.send(Buffer.alloc(100_000), { fin: i === 3 });
      }
      // weir cannot send a close frame in the middle of a message, so that side only sees the connection end.
      expect([1009, 1006]).toContain((await closed)[0]);
      expect([1009, 1006]).toContain(await atReplica);
      await weir.expectMetric(ended(1009), before + 1);
      await weir.expectLine(
        'the cause',
        (line) => line['cause'] === 'too_large' && line['protocol'] === 'websocket',
      );
    },
  );

  it('forwards several messages of exactly the limit', async () => {
    onConnection = echo;
    const { socket } = await open('/websocket');
    for (let i = 0; i < 3; i++) {
      socket.send(Buffer.alloc(300_000));
      expect(((await once(socket, 'message'))[0] as Buffer).length).toBe(300_000);
    }
    socket.close();
  });

  it('ends with 1001 after the idle timeout, unless pings keep it open', async () => {
    const other = await startWeir([
      '--replica',
      `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      '--proxy-websocket-idle-timeout=400ms',
    ]);
    onConnection = () => undefined;
    const lively = new WebSocket(`ws://127.0.0.1:${other.port}/websocket`);
    const silent = new WebSocket(`ws://127.0.0.1:${other.port}/websocket`);
    await Promise.all([once(lively, 'open'), once(silent, 'open')]);
    let pongs = 0;
    lively.on('pong', () => pongs++);
    const pings = setInterval(() => lively.ping(), 100);
    const [code] = (await once(silent, 'close')) as [number];
    expect(code).toBe(1001);
    await until('the other one has had more than ten pongs', () => pongs > 10);
    expect(lively.readyState).toBe(WebSocket.OPEN);
    clearInterval(pings);
    lively.terminate();
    await other.stop('SIGKILL');
  });

  it('is not idle in the middle of a slow message, compressed or in fragments', async () => {
    const other = await startWeir([
      '--replica',
      `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      '--proxy-websocket-idle-timeout=400ms',
    ]);
    onConnection = (socket) => socket.on('message', (data) => socket.send(String((data as Buffer).length)));
    for (const perMessageDeflate of [false, true]) {
      const socket = new WebSocket(`ws://127.0.0.1:${other.port}/websocket`, { perMessageDeflate });
      await once(socket, 'open');
      const startMs = performance.now();
      const drip = setInterval(() => {
        if (performance.now() - startMs < 1500) return socket.send('x'.repeat(50), { fin: false });
        clearInterval(drip);
        socket.send('end', { fin: true });
      }, 100);
      const [data] = (await once(socket, 'message')) as [Buffer];
      expect(Number(String(data))).toBeGreaterThan(500);
      socket.terminate();
    }
    // One frame in many small segments, complete only at the end.
    const client = new RawClient(other.port).send(UPGRADE);
    await client.expectReceived('\r\n\r\n');
    client.socket.write(Buffer.from([0x82, 0x80 | 30, 0, 0, 0, 0]));
    for (let i = 0; i < 30; i++) {
      const startMs = performance.now();
      client.socket.write('x');
      await until('50 ms have passed', () => performance.now() - startMs > 50);
    }
    expect(await client.expectReceived('30')).not.toContain(closeFrame(1001, false).toString('latin1'));
    client.socket.destroy();
    await other.stop('SIGKILL');
  });

  it('stays open past every timeout of a request, even if silent', async () => {
    onConnection = echo;
    const { socket } = await open('/websocket');
    const startMs = performance.now();
    await until('the timeouts have passed', () => performance.now() - startMs > 1500);
    socket.send('still here');
    expect(String((await once(socket, 'message'))[0])).toBe('still here');
    socket.close();
    await once(socket, 'close');
  });

  describe('that the replica refuses', () => {
    let raw: Replica;
    let other: Weir;
    let reply: string;
    beforeAll(async () => {
      raw = await startRawReplica((socket) => socket.once('data', () => reply && socket.end(reply)));
      other = await startWeir([
        '--replica',
        raw.url,
        '--pool-probe-interval=1d',
        '--proxy-first-byte-timeout=300ms',
      ]);
    });
    afterAll(async () => {
      await other.stop('SIGKILL');
      await raw.close();
    });
    const ask = () => new RawClient(other.port).send(UPGRADE);

    it('forwards the response, with the request id', async () => {
      reply = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\nX-Why: key\r\n\r\nno key';
      const received = await ask().expectClosed();
      expect(received).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
      expect(received.toLowerCase()).toContain('x-why: key');
      const id = /x-baseten-request-id: ([0-9a-f]{37})/i.exec(received)?.[1];
      expect(await other.expectExchange(id)).toMatchObject({ status: 403, cause: 'ok', protocol: 'http' });
      await other.expectMetric(OPEN, 0);
    });

    it('responds 408 if the replica does not respond', async () => {
      reply = '';
      const received = await ask().expectClosed();
      expect(received).toMatch(/^HTTP\/1\.1 408 [\s\S]*upgrade_timeout/);
      await other.expectMetric('baseten_concurrent_requests', 0);
    });

    it('closes the connection to the replica when the client disconnects before the response', async () => {
      reply = '';
      const client = ask();
      await other.expectMetric('baseten_concurrent_requests', 1);
      client.socket.destroy();
      await other.expectLine('the cause', (line) => line['cause'] === 'client_gone');
      await other.expectMetric('baseten_concurrent_requests', 0);
    });

    it('responds 502 if the replica closes the connection', async () => {
      reply = '\r\n';
      expect(await ask().expectClosed()).toMatch(/^HTTP\/1\.1 502 /);
    });
  });

  it('is not opened by an upgrade to another protocol, which is a plain request', async () => {
    onConnection = () => undefined;
    const client = new RawClient(weir.port).send(
      'GET /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
    );
    // The replica is a WebSocket server, which responds 426 to plain requests.
    expect(await client.expectReceived('\r\n\r\n')).toMatch(/^HTTP\/1\.1 426 /);
    client.socket.destroy();
  });
});
