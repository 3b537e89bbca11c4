// Conformance of gRPC calls: each case against a replica itself and through weir, with the same result for the client.
// Source: connectrpc/conformance (the cases that are of gRPC), as data in test/fixtures/grpc-conformance/.
import type { Client } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCases, readHttpCases, readStatusCases, type Expected, type GrpcCase } from '../kit/grpc-case.ts';
import { callCase, openCaseClient, type CaseResult } from '../kit/grpc-case-client.ts';
import { ScriptReplica, type SeenCall } from '../kit/script-replica.ts';
import { until } from '../kit/until.ts';
import { startWeir, stopAll, type Weir } from '../kit/weir.ts';

const suites: Record<string, readonly GrpcCase[]> = {
  'a complete call': readCases('calls'),
  'a status': readStatusCases(),
  'a call that is cancelled, or overdue': readCases('cancellations'),
  'an HTTP status': readHttpCases(),
  'a faulty replica': readCases('broken-replicas'),
};
const all = Object.values(suites).flat();
const pathOf = (one: GrpcCase): string => `/weir.Conformance/Case${all.indexOf(one)}`;

/** What weir adds to a response, besides the request id. */
const ADDED_TO_RESPONSE = /^(x-baseten-request-id|x-baseten-model-prediction-attempts|x-weir-cause): /;
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

interface Outcome {
  readonly result: CaseResult;
  readonly seen: SeenCall;
}

/** Makes a call, and waits until the replica has seen the end of the request, if the case says which. */
async function run(client: Client, one: GrpcCase): Promise<Outcome> {
  replica.seen = [];
  const result = await callCase(client, pathOf(one), one);
  const seen = replica.seen.at(-1)!;
  const { request } = one.expect;
  if (request !== undefined) await until(`the request is ${request}`, () => seen.request === request);
  // A client's own message about its deadline has times and addresses.
  const message = result.message.replace(/^(Deadline exceeded) after .*/, '$1');
  return { result: { ...result, message }, seen };
}

const without = (fields: readonly string[], names: RegExp): string[] =>
  fields.filter((field) => !names.test(field));

/** Compares what the client has with the case. */
function expectResult({ result }: Outcome, { code, request: _, ...rest }: Expected): void {
  expect([code].flat(), result.message).toContain(result.code);
  expect(result).toMatchObject(rest);
}

/** Compares both clients' results, but for what weir adds and what the case says. */
function expectSame(asked: Outcome, forwarded: Outcome, { through_weir }: GrpcCase): void {
  const { because: _, ...different } = through_weir ?? {};
  const { initial, trailers } = forwarded.result;
  const cleaned = {
    ...forwarded.result,
    initial: initial && without(initial, ADDED_TO_RESPONSE),
    trailers: without(trailers, ADDED_TO_RESPONSE),
  };
  expect(cleaned).toEqual({ ...asked.result, ...different });
  const fields = ({ seen }: Outcome) => seen.fields.filter(([name]) => !OWN_IN_REQUEST.test(name));
  expect(fields(forwarded)).toEqual(fields(asked));
  const ids = forwarded.seen.fields.filter(([name]) => name === 'x-baseten-request-id');
  expect(trailers.filter((field) => field.startsWith('x-baseten-request-id'))).toEqual(
    // A client that cancels has no trailers.
    trailers.length === 0 ? [] : [ids[0]!.join(': ')],
  );
  if (asked.seen.request === 'ended' && forwarded.seen.request === 'ended')
    expect(forwarded.seen.body).toEqual(asked.seen.body);
}

describe.each(Object.entries(suites))('%s is the same through weir', (_, cases) => {
  it.each(cases.filter((one) => one.grpc_js_hangs !== true))('$name', async (one) => {
    const asked = await run(direct, one);
    if (one.grpc_js_differs === undefined) expectResult(asked, one.expect);
    expectSame(asked, await run(through, one), one);
  });
});

it('ends each call, and each stream to the replica', async () => {
  expect(replica.problems).toEqual([]);
  await weir.expectMetric('baseten_concurrent_requests', 0);
  await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
});
