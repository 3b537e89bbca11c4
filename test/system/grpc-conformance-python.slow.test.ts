// Conformance of gRPC calls with Debian's python3-grpcio (the C++ core): each case against a replica itself and through
// weir, with the same result for the client.
import { spawn, spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { comparable, readSuites, throughWeir, type CaseResult } from '../kit/grpc-case.ts';
import { ScriptReplica } from '../kit/script-replica.ts';
import { ROOT, startWeir, stopAll } from '../kit/weir.ts';

const PYTHON = '/usr/bin/python3';
const hasGrpc = spawnSync(PYTHON, ['-c', 'import grpc']).status === 0;

const suites = readSuites();
const all = Object.values(suites).flat();
const pathOf = (at: number): string => `/weir.Conformance/Case${at}`;
const numberOf = (path: string): number => Number(/^\/weir\.Conformance\/Case(\d+)$/.exec(path)?.[1] ?? -1);

const replica = new ScriptReplica((path) => all[numberOf(path)]);

beforeAll(() => replica.listen());

afterAll(async () => {
  await stopAll();
  replica.close();
});

/** Makes the calls of cases, of the replica itself and then through weir. Returns a pair of results for each. */
async function callAll(cases: object[], ports: number[]): Promise<[CaseResult, CaseResult][]> {
  const program = `${ROOT}test/fixtures/grpc-conformance/client.py`;
  const env = { ...process.env, GRPC_VERBOSITY: 'NONE' };
  const client = spawn(PYTHON, [program, ...ports.map(String)], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  client.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  client.stdin.end(JSON.stringify(cases));
  await new Promise((resolve) => client.on('close', resolve));
  const lines = output.trim().split('\n');
  // If the client crashes, its last line is that of the case before.
  expect(lines).toHaveLength(cases.length);
  return lines.map((line) => JSON.parse(line) as [CaseResult, CaseResult]);
}

describe.skipIf(!hasGrpc && process.env['CI'] !== 'true')('a call of python3-grpcio', () => {
  it.each(Object.entries(suites))(
    'is the same through weir: %s',
    async (_, suite) => {
      expect(hasGrpc, 'python3-grpcio is not installed').toBe(true);
      const weir = await startWeir([
        `--replica=grpc://127.0.0.1:${replica.port}`,
        '--pool-probe-retry-interval=50ms',
        '--log-access=false',
      ]);
      const cases = suite.filter(({ unable }) => unable?.grpcio === undefined);
      const made = cases.map((one) => ({ ...one, path: pathOf(all.indexOf(one)) }));
      const results = await callAll(made, [replica.port, weir.port]);
      for (const [at, [direct, through]] of results.entries()) {
        const one = cases[at]!;
        if (one.differs?.grpcio === undefined)
          expect([one.expect.code].flat(), `${one.name}: ${direct.message}`).toContain(direct.code);
        const expected = throughWeir(one, direct);
        // grpcio does not tell a call without initial metadata from one with none in it.
        expect([one.name, comparable(through)]).toEqual([
          one.name,
          { ...expected, initial: expected.initial ?? [] },
        ]);
      }
      await weir.expectMetric('baseten_concurrent_requests', 0);
    },
    120_000,
  );
});
