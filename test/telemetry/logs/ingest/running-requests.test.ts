// Running requests are returned with their replica as soon as they have one.
import { expect, it } from 'vitest';
import { Exchanges } from '../../../../src/core/exchange/exchange.ts';
import { RunningRequests } from '../../../../src/telemetry/logs/ingest/running-requests.ts';

const deployment = { id: 'dep1', environment: 'staging' };

it('returns a request at once, and once more when it has a replica', () => {
  const exchanges = new Exchanges({ trust_inbound: false });
  const running = new RunningRequests();
  const [served, waiting, ended] = [1, 2, 3].map(() => exchanges.open(undefined));
  served!.replica = 'r0';
  for (const exchange of [served!, waiting!, ended!]) running.add(exchange, deployment);
  const taken = () => running.take().map(({ requestId, owner }) => [requestId, owner.replica]);
  expect(taken()).toEqual([
    [served!.id, 'r0'],
    [waiting!.id, ''],
    [ended!.id, ''],
  ]);
  expect(running.isWaiting).toBe(true);
  expect(taken()).toEqual([]);
  ended!.close('queue_timeout', 500);
  waiting!.replica = 'r1';
  expect(running.take()).toEqual([
    { requestId: waiting!.id, owner: { deployment: 'dep1', environment: 'staging', replica: 'r1' } },
  ]);
  expect(running.isWaiting).toBe(false);
});
