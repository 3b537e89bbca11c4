// gRPC-Web by the client libraries of others, unmodified, through weir.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientsAreMissing, runClient } from '../kit/clients.ts';
import { closeGrpc, startGrpcReplica, testDescriptor, type GrpcReplica } from '../kit/test-service.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const ID = /^[0-9a-f]{37}$/;

describe.skipIf(clientsAreMissing).each([
  ['grpc-web', 'text'],
  ['grpc-web', 'binary'],
  ['connect-web', 'binary'],
])('%s in %s', (client, format) => {
  let replica: GrpcReplica;
  let weir: Weir;

  beforeAll(async () => {
    replica = await startGrpcReplica();
    weir = await startWeir(['--replica', replica.url]);
  });
  afterAll(async () => {
    await stopAll();
    await closeGrpc();
  });

  /** Makes calls by their names in test/clients/flows. Returns what each has printed. */
  async function outcomesOf(...calls: string[]): Promise<Record<string, unknown>[]> {
    const env = { CLIENT: client, FORMAT: format, BASE_URL: weir.url, DESCRIPTOR: testDescriptor };
    const { code, stdout, stderr } = await runClient('grpc-web-node.mjs', env, calls);
    expect(code, stderr).toBe(0);
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  it('makes calls, with metadata in both directions', async () => {
    const [empty, unary, stream, nothing] = await outcomesOf('empty', 'unary', 'stream', 'nothing');
    const id = expect.stringMatching(ID) as string;
    expect(empty).toMatchObject({ code: 0, sizes: [0], id });
    expect(unary).toMatchObject({ code: 0, sizes: [314159], initial: 'first', trailing: 'q6ur', id });
    expect(stream).toMatchObject({ code: 0, sizes: [31415, 9, 2653, 58979], id });
    expect(nothing).toMatchObject({ code: 0, sizes: [], id });
    expect(await weir.expectExchange(String(stream!['id']))).toMatchObject({ protocol: 'grpc', status: 0 });
  });

  it('gets statuses with their messages', async () => {
    const [error, unimplemented] = await outcomesOf('error', 'unimplemented');
    expect(error).toMatchObject({ code: 5, message: 'keine \u00dcbung, 50 %' });
    expect(unimplemented).toMatchObject({ code: 12 });
  });

  it('gets DEADLINE_EXCEEDED at its deadline, and cancels a call', async () => {
    let release = (): void => undefined;
    replica.hold = new Promise((resolve) => (release = resolve));
    const { cancelled } = replica;
    const [deadline, cancel] = await outcomesOf('deadline', 'cancel');
    expect(deadline).toMatchObject({ code: 4 });
    expect([1, 4]).toContain(cancel!['code']);
    await until('both calls are cancelled at the replica', () => replica.cancelled >= cancelled + 2);
    release();
    replica.hold = undefined;
  });
});
