// What is kept of which request: everything, its metadata or nothing, by its path.
// Must stay true: the first route that matches decides; all copies of bodies together stay within MAX_HELD_BYTES, beyond
// which requests are recorded without bodies, and counted. Hot path: one look per request, none where there are no routes.
import { BodyCapture, type CaptureBudget, type BodyCaptures } from '../../../core/exchange/body-capture.ts';

export type CaptureMode = 'full' | 'metadata' | 'off';

export interface CaptureOptions {
  readonly capture: CaptureMode;
  readonly routes: readonly { readonly path: string; readonly capture: CaptureMode }[];
  /** Bytes that are kept of each body. */
  readonly max_body: number;
}

/** What the copies of all exchanges that run may hold. */
const MAX_HELD_BYTES = 64 * 1024 ** 2;
/** How much more is read of a stream of events than is kept: one token takes an event of a few hundred bytes. */
export const STREAM_FACTOR = 16;

export class CapturePolicy implements BodyCaptures, CaptureBudget {
  readonly #default: CaptureMode;
  readonly #routes: readonly { readonly matches: (path: string) => boolean; readonly capture: CaptureMode }[];
  readonly #limits: { readonly bytes: number; readonly streamBytes: number };
  readonly #maxHeldBytes: number;
  #heldBytes = 0;
  /** Requests whose bodies were wanted, and not copied because there was no room. */
  skipped = 0;

  constructor({ capture, routes, max_body }: CaptureOptions, maxHeldBytes = MAX_HELD_BYTES) {
    this.#default = capture;
    this.#routes = routes.map((route) => ({ matches: pathPattern(route.path), capture: route.capture }));
    this.#limits = { bytes: max_body, streamBytes: max_body * STREAM_FACTOR };
    this.#maxHeldBytes = maxHeldBytes;
  }

  /** True where anything at all may be kept. */
  get isOn(): boolean {
    return this.#default !== 'off' || this.#routes.some(({ capture }) => capture !== 'off');
  }

  /** True where bodies of anything may be wanted. */
  get mayCaptureBodies(): boolean {
    return this.#default === 'full' || this.#routes.some(({ capture }) => capture === 'full');
  }

  /** What is kept of a request. `target`: as the client wrote it; what stands behind its `?` does not count. */
  modeOf(target: string): CaptureMode {
    if (this.#routes.length === 0) return this.#default;
    const query = target.indexOf('?');
    const path = query === -1 ? target : target.slice(0, query);
    for (const { matches, capture } of this.#routes) if (matches(path)) return capture;
    return this.#default;
  }

  wants(target: string): boolean {
    return this.modeOf(target) === 'full';
  }

  open(target: string): BodyCapture | undefined {
    if (!this.wants(target)) return undefined;
    // Room for one body at least: a tap that can copy nothing is of no use.
    if (this.#heldBytes + this.#limits.bytes <= this.#maxHeldBytes)
      return new BodyCapture(this, this.#limits);
    this.skipped++;
    return undefined;
  }

  take(bytes: number): boolean {
    if (this.#heldBytes + bytes > this.#maxHeldBytes) return false;
    this.#heldBytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#heldBytes -= bytes;
  }
}

/**
 * Fits paths that begin with `pattern`; where there is a `*` in it, whole paths in which any characters stand for each.
 * No expression is made of it: each piece is looked for once, so that no path takes long.
 */
export function pathPattern(pattern: string): (path: string) => boolean {
  const [first = '', ...others] = pattern.split('*');
  const last = others.pop();
  if (last === undefined) return (path) => path.startsWith(first);
  return (path) => {
    if (!path.startsWith(first) || !path.endsWith(last)) return false;
    let at = first.length;
    for (const piece of others) {
      const found = path.indexOf(piece, at);
      if (found === -1) return false;
      at = found + piece.length;
    }
    return at <= path.length - last.length;
  };
}
