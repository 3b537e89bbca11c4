// Tests of the paths that the routes of a key name.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { routePathOf } from '../../../src/data-plane/routing/route-path.ts';

describe('the path of a route', () => {
  it.each([
    ['/v1/models', '/v1/models'],
    ['/v1/models?a=/../b', '/v1/models'],
    ['/sync/v1/models', '/v1/models'],
    ['/production/sync/v1/models', '/v1/models'],
    ['/environments/prod/predict', '/predict'],
    ['/deployment/a/websocket', '/websocket'],
    ['/async_request/0123', '/async_request/0123'],
    ['/pkg.Service/Method', '/pkg.Service/Method'],
    ['/.well-known/x', '/.well-known/x'],
    ['/a/..b', '/a/..b'],
    ['/synced/a', '/synced/a'],
    ['/', '/'],
  ])('%s is %s', (target, path) => {
    expect(routePathOf(target)).toBe(path);
  });

  it.each([
    '/a%2fb',
    '/a//b',
    '/a/./b',
    '/a/../b',
    '/a/..',
    '/a/.',
    '/..;/b',
    '/a\\b',
    '/a#b',
    '/a\u00e9',
    '//a',
  ])('%s has none, since servers read it in different ways', (target) => {
    expect(routePathOf(target)).toBeUndefined();
  });

  it('never has a segment that a server resolves to another path', () => {
    const segment = fc.constantFrom('a', '..', '.', '', '%2e', 'sync', 'production', 'v1');
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 6 }), (segments) => {
        const path = routePathOf(`/${segments.join('/')}`);
        if (path !== undefined) expect(new URL(path, 'http://x').pathname).toBe(path);
      }),
    );
  });
});
