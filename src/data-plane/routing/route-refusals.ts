// Refusals of routing, with hints at the route that was probably meant.
import { nearest } from '../../core/nearest-name.ts';
import { ROUTE_NAMES, type RouteRefusal } from './route.ts';
import { shown } from './target-path.ts';

export const unknownTarget = (
  environment: string | undefined,
  id: string | undefined,
): RouteRefusal & { readonly failure: 'unknown_target' } => ({
  kind: 'refuse',
  failure: 'unknown_target',
  detail: id === undefined ? `environment ${shown(environment!)}` : `deployment ${shown(id)}`,
});

/** What a misspelled route may mean. */
const SUGGESTIONS = [...ROUTE_NAMES, 'sync/'];

/** Refuses a path below a target. `prefix`: the target prefix of `target`. */
export function unknownRoute(target: string, prefix: string, deployment: number): RouteRefusal {
  const path = target.split('?', 1)[0]!;
  const below = path.slice(prefix.length);
  const near = nearest(below.replaceAll('/', ''), SUGGESTIONS);
  const hints = near === undefined ? [] : [`did you mean ${shown(`${prefix}/${near}`)}?`];
  if (near !== 'sync/')
    hints.push(`to reach the model's own path, use ${shown(`${prefix}/sync${below === '' ? '/' : below}`)}`);
  return {
    kind: 'refuse',
    failure: 'unknown_route',
    detail: `${shown(path)}; ${hints.join(' ')}`,
    deployment,
  };
}

export const notAllowed = (route: string, allow: string, deployment?: number): RouteRefusal => ({
  kind: 'refuse',
  failure: 'method_not_allowed',
  detail: `${route} allows only ${allow.replace(', ', ' and ')}`,
  ...(deployment !== undefined && { deployment }),
  allow,
});

/** `meant`: the path in its plain spelling, quoted. */
export const disguisedTarget = (meant: string): RouteRefusal => ({
  kind: 'refuse',
  failure: 'unknown_route',
  detail: `write it as ${meant}, without escapes, dot or empty segments`,
});
