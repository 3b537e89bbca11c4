// Messages between processes over a socket.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { MessageSocket } from '../../src/core/message-socket.ts';
import { until } from '../kit/until.ts';

let server: Server | undefined;
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server?.close();
});

async function pair(): Promise<[Socket, Socket]> {
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  sockets.push(client, accepted);
  return [client, accepted];
}

it('receives messages as they were sent, however their bytes arrive', async () => {
  const [client, accepted] = await pair();
  const bytes: Buffer[] = [];
  accepted.on('data', (piece) => bytes.push(piece));
  const sender = new MessageSocket(client, () => undefined);
  const messages = [{ n: 1, bytes: Buffer.alloc(100_000, 7) }, 'text', [undefined, NaN, 5n], {}];
  for (const message of messages) sender.send(message);
  client.end();
  await once(accepted, 'end');
  const all = Buffer.concat(bytes);
  for (const size of [1, 3, 5, 1000, all.length]) {
    const [from, to] = await pair();
    const received: unknown[] = [];
    const receiver = new MessageSocket(to, (message) => received.push(message));
    from.setNoDelay(true);
    // Short pieces at both ends of the text, since the long message is in the middle.
    const cuts = size < 1000 ? [...Array(20).keys()].map((i) => i * size) : [0];
    for (const [i, at] of cuts.entries()) {
      from.write(all.subarray(at, cuts[i + 1] ?? all.length));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until('all are received', () => received.length === messages.length);
    expect(received).toEqual(messages);
    receiver.close();
  }
});

it('receives nothing more after stopReceiving, and still sends', async () => {
  const [client, accepted] = await pair();
  const received: unknown[] = [];
  const answers: unknown[] = [];
  const sender = new MessageSocket(client, (message) => answers.push(message));
  const receiver = new MessageSocket(accepted, (message) => {
    received.push(message);
    receiver.stopReceiving();
    receiver.send('answer');
  });
  sender.send('first');
  sender.send('second');
  await until('the answer came', () => answers.length === 1);
  expect(received).toEqual(['first']);
  receiver.close();
  await once(client, 'close');
  expect(answers).toEqual(['answer']);
});
