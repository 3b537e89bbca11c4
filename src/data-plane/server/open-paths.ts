// Paths of health probes: they need no key, and are served during overload.
import type { Exchange } from '../../core/exchange/exchange.ts';

export class OpenPaths {
  readonly #paths: ReadonlySet<string>;

  constructor(paths: readonly string[]) {
    this.#paths = new Set(paths);
  }

  /** True for GET and HEAD of such a path, and for a gRPC call of it. */
  has({ protocol, method, target }: Exchange): boolean {
    return this.#paths.has(target) && (protocol === 'grpc' || method === 'GET' || method === 'HEAD');
  }
}
