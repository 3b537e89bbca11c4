// Conformance of gRPC calls: each case against a replica itself and through weir, with the same result for the client.
// Source: connectrpc/conformance (the cases that are of gRPC), as data in test/fixtures/grpc-conformance/.
import type { Client } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { comparable, readSuites, throughWeir, type GrpcCase } from '../kit/grpc-case.ts';
import { callCase, openCaseClient } from '../kit/grpc-case-client.ts';
import { countMessages, ScriptReplica, type SeenCall } from '../kit/script-replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const suites = readSuites();
const all = Object.values(suites).flat();
const pathOf = (one: GrpcCase): string => `/weir.Conformance/Case${all.indexOf(one)}`;

/** What weir adds to a request, and what names the address or the time. */
const OWN_IN_REQUEST = /^(:authority|x-baseten-request-id|x-request-id|x-forwarded-for|grpc-timeout)$/;

let replica: ScriptReplica;
let weir: Weir;
let direct: Client;
let through: Client;

beforeAll(async () => {
  replica = new ScriptReplica((path) => all.find((one) => pathOf(one) === path));
  await replica.listen();
  weir = await startWeir([
    `--replica=grpc://127.0.0.1:${replica.port}`,
    '--pool-probe-retry-interval=50ms',
    '--log-access=false',
  ]);
  direct = openCaseClient(replica.port);
  through = openCaseClient(weir.port);
});

afterAll(async () => {
  direct.close();
  through.close();
  await stopAll();
  replica.close();
});

/** Waits until the replica has the messages of a request, and its end if that comes before the cancel. */
const requestCame = ({ client: steps = {} }: GrpcCase): Promise<true> =>
  until('the request has come', () => {
    const seen = replica.seen.at(-1);
    if (seen === undefined || (steps.cancel === 'after_end' && seen.request !== 'ended')) return false;
    return countMessages(seen.body) >= (steps.messages ?? ['request']).length;
  });

/** Makes a call, and waits until the replica has seen the end of the request, if the case says which. */
async function run(client: Client, one: GrpcCase) {
  replica.seen = [];
  const result = await callCase(client, pathOf(one), one, () => requestCame(one));
  const seen = replica.seen.at(-1)!;
  const { request } = one.expect;
  if (request !== undefined) await until(`the request is ${request}`, () => seen.request === request);
  return { result, seen };
}

/** Compares what the replica got of a request. */
function expectSameRequest(asked: SeenCall, forwarded: SeenCall): void {
  const fields = (seen: SeenCall) => seen.fields.filter(([name]) => !OWN_IN_REQUEST.test(name));
  expect(fields(forwarded)).toEqual(fields(asked));
  if (asked.request === 'ended' && forwarded.request === 'ended') expect(forwarded.body).toEqual(asked.body);
}

describe.each(Object.entries(suites))('%s is the same through weir', (_, cases) => {
  it.each(cases.filter(({ unable }) => unable?.['grpc-js'] === undefined))('$name', async (one) => {
    const { code, request: _request, ...rest } = one.expect;
    const asked = await run(direct, one);
    if (one.differs?.['grpc-js'] === undefined) {
      expect([code].flat(), asked.result.message).toContain(asked.result.code);
      expect(comparable(asked.result)).toMatchObject(rest);
    }
    const forwarded = await run(through, one);
    expect(comparable(forwarded.result)).toEqual(throughWeir(one, asked.result));
    expectSameRequest(asked.seen, forwarded.seen);
    // A client that cancels gets no trailers.
    const { trailers } = forwarded.result;
    const id = forwarded.seen.fields.find(([name]) => name === 'x-baseten-request-id');
    if (trailers.length > 0) expect(trailers).toContain(id!.join(': '));
  });
});

it('ends each call, and each stream to the replica', async () => {
  expect(replica.problems).toEqual([]);
  await weir.expectMetric('baseten_concurrent_requests', 0);
  await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
});
