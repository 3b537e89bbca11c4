import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Router } from '../../src/ingress/route.ts';

const deployment = (index: number, id: string, environment: string, traffic_weight = 100) => ({
  index,
  hasReady: true,
  options: { id, environment, traffic_weight, predict_path: '/p', websocket_path: '/ws' },
});
const withoutTurn = (route: object) => {
  const { turn: _, ...rest } = route as { turn?: unknown };
  return rest;
};
const router = new Router([
  deployment(0, 'dep0', ''),
  deployment(1, 'dep1', 'production'),
  deployment(2, 'dep2', 'staging'),
]);
const route = (method: string, target: string, isUpgrade = false) =>
  withoutTurn(router.route(method, target, isUpgrade));
const forward = (deployment: number, path: string) => ({ kind: 'forward', deployment, path });

describe('routes', () => {
  it.each([
    ['POST', '/predict', forward(1, '/p')],
    ['POST', '/predict?a=1', forward(1, '/p?a=1')],
    ['POST', '/production/predict', forward(1, '/p')],
    ['POST', '/environments/production/predict', forward(1, '/p')],
    ['POST', '/environments/staging/predict', forward(2, '/p')],
    ['POST', '/deployment/dep0/predict', forward(0, '/p')],
    ['GET', '/production/sync/health', forward(1, '/health')],
    [
      'POST',
      '/environments/staging/sync/v1/chat/completions?x=%2F',
      forward(2, '/v1/chat/completions?x=%2F'),
    ],
    ['GET', '/sync/', forward(1, '/')],
    ['POST', '/deployment/dep2/wake', { kind: 'wake', deployment: 2 }],
    ['GET', '/', forward(1, '/')],
    ['GET', '/v1/models', forward(1, '/v1/models')],
    ['OPTIONS', '*', forward(1, '*')],
    // A server of any kind may have these for itself.
    ['GET', '/predict', forward(1, '/predict')],
    ['GET', '/wake', forward(1, '/wake')],
    ['GET', '/websocket', forward(1, '/websocket')],
    ['GET', '/environments/staging', forward(1, '/environments/staging')],
    ['GET', '/production/report', forward(1, '/production/report')],
    ['GET', '/syncing/x', forward(1, '/syncing/x')],
    ['POST', '/predict/more', forward(1, '/predict/more')],
  ])('%s %s', (method, target, expected) => expect(route(method, target)).toEqual(expected));

  it('upgrades go to the websocket path, or below sync to theirs', () => {
    expect(route('GET', '/websocket?x', true)).toEqual(forward(1, '/ws?x'));
    expect(route('GET', '/environments/staging/websocket', true)).toEqual(forward(2, '/ws'));
    expect(route('GET', '/production/sync/v1/websocket', true)).toEqual(forward(1, '/v1/websocket'));
    expect(route('GET', '/chat', true)).toEqual(forward(1, '/chat'));
  });

  it.each([
    ['POST', '/environments/nope/predict', 'unknown_target'],
    ['POST', '/deployment/nope/sync/x', 'unknown_target'],
    ['POST', '/development/predict', 'unknown_target'],
    ['POST', '/environments//predict', 'unknown_target'],
    ['GET', '/production/predict', 'method_not_allowed'],
    ['GET', '/production/wake', 'method_not_allowed'],
    ['GET', '/production/websocket', 'bad_request'],
  ])('%s %s is refused', (method, target, failure) =>
    expect(route(method, target)).toMatchObject({ kind: 'refuse', failure }),
  );

  it('without an environment called production, bare paths go to the first deployment', () => {
    const plain = new Router([deployment(0, 'a', 'staging'), deployment(1, 'b', '')]);
    expect(withoutTurn(plain.route('POST', '/predict', false))).toEqual(forward(0, '/p'));
  });

  it('any target gets a route, in time that grows with its length alone', () => {
    const kinds = new Set(['forward', 'wake', 'refuse']);
    fc.assert(fc.property(fc.string(), (text) => kinds.has(router.route('POST', `/${text}`, false).kind)));
    expect(router.route('POST', `/environments/${'/environments'.repeat(100_000)}`, false).kind).toBe(
      'forward',
    );
  });
});
