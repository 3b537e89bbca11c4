// Paths of health probes: they need no key, and are served during overload.
// Invariant: a WebSocket is never one of them, since it could carry any bytes to the replica.
import type { Exchange } from '../../core/exchange/exchange.ts';
import type { RoutedTo } from './client-access.ts';

export class OpenPaths {
  readonly #paths: ReadonlySet<string>;

  constructor(paths: readonly string[]) {
    this.#paths = new Set(paths);
  }

  /** True for GET and HEAD of such a path, and for a gRPC call of it. */
  has({ protocol, method, target }: Exchange, { isUpgrade = false }: RoutedTo): boolean {
    return (
      !isUpgrade && this.#paths.has(target) && (protocol === 'grpc' || method === 'GET' || method === 'HEAD')
    );
  }
}
