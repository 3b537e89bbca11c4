import { describe, expect, it } from 'vitest';
import { ProtocolRouter } from '../../../src/data-plane/routing/protocol-router.ts';

const deployment = (index: number, id: string, environment: string, protocol: string) => ({
  index,
  hasReady: true,
  options: {
    id,
    environment,
    traffic_weight: 1,
    predict_path: '/predict-path',
    websocket_path: '/ws',
    replicas: [{ url: { protocol } }],
  },
});

/** Where a gRPC-Web call goes: deployment and path, what is wrong, or `http` for a request like any other. */
function routed(router: ProtocolRouter, path: string, metadata: Record<string, string> = {}): string {
  const { model: modelId, environment, deployment: id } = metadata;
  const route = router.routeWebCall(path, { modelId, environment, deployment: id });
  if (route === undefined) return 'http';
  return route.kind === 'call' ? `${route.deployment} ${route.path}` : route.failure;
}

describe('a gRPC-Web call', () => {
  const grpc = deployment(0, 'g', 'production', 'grpc:');
  const secure = deployment(1, 's', 'staging', 'grpcs:');
  const http = deployment(2, 'h', 'web', 'http:');

  it.each([
    ['/a.B/C', {}, '0 /a.B/C'],
    ['/a.B/C', { environment: 'staging' }, '1 /a.B/C'],
    ['/a.B/C', { deployment: 's' }, '1 /a.B/C'],
    ['/a.B/C', { environment: 'none' }, 'unknown_target'],
    ['/a.B/C', { deployment: 'h' }, 'wrong_protocol'],
    ['/sync/a.B/C', { deployment: 's' }, '1 /a.B/C'],
    ['/production/sync/a.B/C', {}, '0 /a.B/C'],
    ['/environments/staging/sync/a.B/C', {}, '1 /a.B/C'],
    ['/deployment/s/sync/a.B/C', { deployment: 'g' }, '1 /a.B/C'],
    ['/deployment/h/sync/a.B/C', {}, 'http'],
    ['/deployment/h/none', {}, 'http'],
    ['/deployment/none/sync/a.B/C', {}, 'unknown_target'],
    ['/deployment/s/a.B/C', {}, 'unknown_route'],
    ['/deployment/s/async_predict', {}, 'wrong_protocol'],
    ['/production/wake', {}, 'http'],
    ['/a.B/C', { model: 'm' }, '0 /a.B/C'],
    ['/a.B/C', { model: 'model-m' }, '0 /a.B/C'],
    ['/a.B/C', { model: 'other' }, 'unknown_target'],
    ['/deployment/s/sync/a.B/C', { model: 'other' }, 'unknown_target'],
  ])('of %s with metadata %j goes to %s', (path, metadata, expected) => {
    expect(routed(new ProtocolRouter('m', [grpc, secure, http]), path, metadata)).toBe(expected);
  });

  it('to a default deployment that serves HTTP is an HTTP request, unless its metadata names another one', () => {
    const router = new ProtocolRouter('local', [deployment(0, 'h', 'production', 'http:'), secure]);
    expect(routed(router, '/a.B/C')).toBe('http');
    expect(routed(router, '/a.B/C', { model: 'other' })).toBe('http');
    expect(routed(router, '/a.B/C', { deployment: 's' })).toBe('1 /a.B/C');
  });

  it('is an HTTP request where no deployment serves gRPC', () => {
    const router = new ProtocolRouter('local', [http]);
    expect(routed(router, '/a.B/C', { deployment: 'none' })).toBe('http');
    router.reroute([http, secure]);
    expect(routed(router, '/a.B/C', { deployment: 'none' })).toBe('unknown_target');
  });
});

describe('a gRPC call', () => {
  const target = { modelId: undefined, environment: undefined, deployment: undefined };

  it.each([
    ['grpc:', 'call'],
    ['grpcs:', 'call'],
    ['h2c:', 'call'],
    ['h2:', 'call'],
    ['http:', 'refuse'],
    ['https:', 'refuse'],
  ])('to replicas of %s gets a %s', (protocol, kind) => {
    const router = new ProtocolRouter('local', [deployment(0, 'd', 'production', protocol)]);
    expect(router.routeCall(target).kind).toBe(kind);
  });
});
