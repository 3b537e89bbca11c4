import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PathRouter } from '../../../src/data-plane/routing/path-router.ts';

const deployment = (index: number, id: string, environment: string, traffic_weight = 100) => ({
  index,
  hasReady: true,
  options: { id, environment, traffic_weight, predict_path: '/p', websocket_path: '/ws' },
});
const withoutPicker = (route: object) => {
  const { picker: _, ...rest } = route as { picker?: unknown };
  return rest;
};
const router = new PathRouter([
  deployment(0, 'dep0', ''),
  deployment(1, 'dep1', 'production'),
  deployment(2, 'dep2', 'staging'),
]);
const route = (method: string, target: string, isUpgrade = false) =>
  withoutPicker(router.route(method, target, isUpgrade));
const forward = (deployment: number, path: string) => ({ kind: 'forward', deployment, path });

describe('PathRouter', () => {
  it.each([
    ['POST', '/predict', forward(1, '/p')],
    ['POST', '/predict?a=1', forward(1, '/p?a=1')],
    ['POST', '/production/predict', forward(1, '/p')],
    ['POST', '/environments/production/predict', forward(1, '/p')],
    ['POST', '/environments/staging/predict', forward(2, '/p')],
    ['POST', '/deployment/dep0/predict', forward(0, '/p')],
    ['POST', '/run_remote', forward(1, '/p')],
    ['POST', '/environments/staging/run_remote?a=1', forward(2, '/p?a=1')],
    ['POST', '/deployment/dep2/async_run_remote', { kind: 'async_predict', deployment: 2 }],
    ['POST', '/async_run_remote', { kind: 'async_predict', deployment: 1 }],
    ['OPTIONS', '/production/predict', forward(1, '/p')],
    ['OPTIONS', '/environments/staging/run_remote?a=1', forward(2, '/p?a=1')],
    ['OPTIONS', '/predict', forward(1, '/p')],
    ['GET', '/production/sync/health', forward(1, '/health')],
    ['OPTIONS', '/production/sync/v1/models', forward(1, '/v1/models')],
    ['GET', '/production/sync/production/report', forward(1, '/production/report')],
    ['GET', '/production/sync//a/../b%2F', forward(1, '//a/../b%2F')],
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
    // The model's server may have these paths itself.
    ['GET', '/predict', forward(1, '/predict')],
    ['GET', '/wake', forward(1, '/wake')],
    ['GET', '/websocket', forward(1, '/websocket')],
    ['GET', '/environments', forward(1, '/environments')],
    ['GET', '/environments/?page=2', forward(1, '/environments/?page=2')],
    ['GET', '/deployment', forward(1, '/deployment')],
    ['GET', '/deployments/list', forward(1, '/deployments/list')],
    ['GET', '/productions', forward(1, '/productions')],
    ['GET', '/production.json', forward(1, '/production.json')],
    ['GET', '/Production/predict', forward(1, '/Production/predict')],
    ['GET', '/v1/production/predict', forward(1, '/v1/production/predict')],
    ['GET', '/.well-known/x', forward(1, '/.well-known/x')],
    [
      'GET',
      '/files/a%2Fb//c/../d?u=http://h/production/',
      forward(1, '/files/a%2Fb//c/../d?u=http://h/production/'),
    ],
    ['GET', '/%zz/%', forward(1, '/%zz/%')],
    ['GET', '/run_remote', forward(1, '/run_remote')],
    ['GET', '/syncing/x', forward(1, '/syncing/x')],
    ['POST', '/predict/more', forward(1, '/predict/more')],
  ])('routes %s %s', (method, target, expected) => expect(route(method, target)).toEqual(expected));

  it('routes upgrades to the websocket path, and those below sync to their own path', () => {
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
    ['POST', '/deployment//run_remote', 'unknown_target'],
    ['GET', '/deployment/nope', 'unknown_target'],
    ['PUT', '/environments/nope/x/y?z', 'unknown_target'],
    ['HEAD', '/development', 'unknown_target'],
    ['POST', '/environments/sta%67ing/predict', 'unknown_target'],
    ['GET', '/production/predict', 'method_not_allowed'],
    ['HEAD', '/production/predict', 'method_not_allowed'],
    ['GET', '/production/run_remote', 'method_not_allowed'],
    ['GET', '/production/wake', 'method_not_allowed'],
    ['OPTIONS', '/production/wake', 'method_not_allowed'],
    ['OPTIONS', '/production/async_predict', 'method_not_allowed'],
    ['GET', '/production/async_run_remote', 'method_not_allowed'],
    ['GET', '/production/websocket', 'bad_request'],
    ['GET', '/environments/staging', 'unknown_route'],
    ['GET', '/environments/staging/', 'unknown_route'],
    ['GET', '/production', 'unknown_route'],
    ['GET', '/production?a=1', 'unknown_route'],
    ['GET', '/production/', 'unknown_route'],
    ['HEAD', '/production/report', 'unknown_route'],
    ['POST', '/production/v1/chat/completions', 'unknown_route'],
    ['POST', '/production/predict/', 'unknown_route'],
    ['POST', '/production//predict', 'unknown_route'],
    ['POST', '/production/../predict', 'unknown_route'],
    ['POST', '/production/predict%2F', 'unknown_route'],
    ['POST', '/production/sync', 'unknown_route'],
  ])('refuses %s %s', (method, target, failure) =>
    expect(route(method, target)).toMatchObject({ kind: 'refuse', failure }),
  );

  it.each([
    ['//deployment/nope/run_remote', '/deployment/nope/run_remote'],
    ['/./production/predict', '/production/predict'],
    ['/x/../deployment/nope/predict', '/deployment/nope/predict'],
    ['/x/%2e%2E/deployment/nope/predict', '/deployment/nope/predict'],
    ['/%70roduction/predict?a=1', '/production/predict'],
    ['/deplo%79ment/nope/run_remote', '/deployment/nope/run_remote'],
    ['/production%2Fpredict', '/production/predict'],
    ['/async_request/../production/predict', '/production/predict'],
  ])('refuses %s, which names a target in another spelling', (target, meant) => {
    for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS'])
      expect(route(method, target)).toEqual({
        kind: 'refuse',
        failure: 'unknown_route',
        detail: `write it as "${meant}", without escapes, dot or empty segments`,
      });
    expect(route('GET', target, true)).toMatchObject({ kind: 'refuse', failure: 'unknown_route' });
  });

  it.each([
    ['/production/predit', '"/production/predit"; did you mean "/production/predict"? '],
    ['/production/sync?x', '"/production/sync"; did you mean "/production/sync/"?'],
    ['/production/v1/models', 'to reach the model\'s own path, use "/production/sync/v1/models"'],
    ['/environments/staging', 'to reach the model\'s own path, use "/environments/staging/sync/"'],
  ])('names the right path in the refusal of %s', (target, detail) =>
    expect(route('POST', target)).toMatchObject({ detail: expect.stringContaining(detail) as string }),
  );

  it('never routes a path that names a target to the default deployment', () => {
    const segment = fc.constantFrom('x', 'predict', 'sync', '', '.', '..', 'v1', '%2e', '%2F');
    const prefix = fc.constantFrom(
      '/deployment/dep2',
      '/deployment/nope',
      '/environments/staging',
      '/development',
    );
    fc.assert(
      fc.property(prefix, fc.array(segment, { maxLength: 4 }), fc.boolean(), (target, rest, isUpgrade) => {
        const path = [target, ...rest].join('/');
        const got = router.route('POST', path, isUpgrade);
        expect('deployment' in got ? got.deployment : 2, path).toBe(2);
      }),
    );
  });

  it('routes paths without a target to the first deployment if there is no environment production', () => {
    const plain = new PathRouter([deployment(0, 'a', 'staging'), deployment(1, 'b', '')]);
    expect(withoutPicker(plain.route('POST', '/predict', false))).toEqual(forward(0, '/p'));
  });

  it('returns a route for any target, in time linear in its length', () => {
    const kinds = new Set(['forward', 'wake', 'refuse']);
    fc.assert(fc.property(fc.string(), (text) => kinds.has(router.route('POST', `/${text}`, false).kind)));
    const many = (text: string) => text.repeat(100_000);
    for (const [path, kind] of [
      [`/environments/${many('/environments')}`, 'refuse'],
      [`/production/${many('predict')}`, 'refuse'],
      [`/v1${many('/..')}`, 'forward'],
      [`/v1/${many('%2e%2e/')}production/predict`, 'refuse'],
      [`/${many('%')}`, 'forward'],
    ] as const)
      expect(router.route('POST', path, false).kind).toBe(kind);
  });
});
