// Decides by its path what is stored of a request (metadata and bodies, metadata only, or nothing), and whether its
// bodies are followed for what a language model does. Hot path.
// Invariant: the first matching route applies, and all captured bodies of all data threads together stay below
// MAX_HELD_BYTES, to within what the threads reserve at the same moment.
import { BodyCapture, type CaptureBudget, type BodyCaptures } from '../../../core/exchange/body-capture.ts';
import { wildcard } from '../../../core/wildcard.ts';
import { InputFigures, inputFiguresMemory } from '../recorder/input-figures.ts';

export type CaptureMode = 'full' | 'metadata' | 'off';

export interface CaptureOptions {
  readonly capture: CaptureMode;
  readonly routes: readonly {
    readonly path: string;
    readonly capture: CaptureMode;
    readonly follow: boolean;
  }[];
  /** Maximum number of bytes that are stored of each body. */
  readonly max_body: number;
}

/** Maximum size of the captured bodies of all open exchanges of all data threads. */
const MAX_HELD_BYTES = 64 * 1024 ** 2;
/** Event streams are captured up to `max_body` times this, since each token is an event of a few hundred bytes. */
const STREAM_FACTOR = 16;

/** A setting that decides what is stored of a request. */
export interface CaptureRule {
  /** `logs.capture`, or one of `logs.routes`. */
  readonly name: string;
  readonly value: CaptureMode;
  /** Path pattern of the route. */
  readonly path?: string;
}

interface Route {
  readonly rule: CaptureRule;
  readonly matches: (path: string) => boolean;
  readonly capture: CaptureMode;
  readonly isFollowed: boolean;
}

export class CapturePolicy implements BodyCaptures, CaptureBudget {
  readonly #default: CaptureMode;
  readonly #routes: readonly Route[];
  readonly #limits: { readonly bytes: number; readonly streamBytes: number };
  readonly #maxHeldBytes: number;
  /** Counts the bytes that are held, and the requests whose bodies were not captured since there were too many. */
  readonly #figures: InputFigures;

  constructor(
    { capture, routes, max_body }: CaptureOptions,
    figures = new InputFigures(inputFiguresMemory(1), 0),
    maxHeldBytes = MAX_HELD_BYTES,
  ) {
    this.#figures = figures;
    this.#default = capture;
    this.#routes = routes.map((route, i) => ({
      rule: { name: `logs.routes[${i}].capture`, value: route.capture, path: route.path },
      matches: pathPattern(route.path),
      capture: route.capture,
      isFollowed: route.follow && route.capture !== 'off',
    }));
    this.#limits = { bytes: max_body, streamBytes: max_body * STREAM_FACTOR };
    this.#maxHeldBytes = maxHeldBytes;
  }

  /** True if any request may be recorded. */
  get isOn(): boolean {
    return this.#default !== 'off' || this.#routes.some(({ capture }) => capture !== 'off');
  }

  /** True if bodies of any request may be captured. */
  get mayCaptureBodies(): boolean {
    return this.#default === 'full' || this.#routes.some(({ capture }) => capture === 'full');
  }

  /** The mode for a request target as the client sent it. The query string is ignored. */
  modeOf(target: string): CaptureMode {
    return this.#routeOf(target)?.capture ?? this.#default;
  }

  /** The setting that decides what is stored of a request to this target. */
  ruleOf(target: string): CaptureRule {
    return this.#routeOf(target)?.rule ?? { name: 'logs.capture', value: this.#default };
  }

  /** Maximum number of bytes that are stored of each body. */
  get maxBytes(): number {
    return this.#limits.bytes;
  }

  /** True if bodies of requests to this target may be followed for what a language model does. */
  follows(target: string): boolean {
    return this.#routeOf(target)?.isFollowed ?? true;
  }

  #routeOf(target: string): Route | undefined {
    if (this.#routes.length === 0) return undefined;
    const query = target.indexOf('?');
    const path = query === -1 ? target : target.slice(0, query);
    for (const route of this.#routes) if (route.matches(path)) return route;
    return undefined;
  }

  wants(target: string): boolean {
    return this.modeOf(target) === 'full';
  }

  open(target: string): BodyCapture | undefined {
    if (!this.wants(target)) return undefined;
    // A capture without space for one body would be useless.
    if (this.#figures.sum('held') + this.#limits.bytes <= this.#maxHeldBytes)
      return new BodyCapture(this, this.#limits);
    this.#figures.add('bodiesSkipped', 1);
    return undefined;
  }

  take(bytes: number): boolean {
    if (this.#figures.sum('held') + bytes > this.#maxHeldBytes) return false;
    this.#figures.add('held', bytes);
    return true;
  }

  give(bytes: number): void {
    this.#figures.add('held', -bytes);
  }
}

/** Matches whole paths against a pattern with `*`; without one, paths that begin with `pattern`. */
export const pathPattern = (pattern: string): ((path: string) => boolean) =>
  pattern.includes('*') ? wildcard(pattern) : (path) => path.startsWith(pattern);
