// Starts components in order and stops them in reverse order, under one deadline.
// Invariant: a component that was started is stopped exactly once, even if a later one fails to start.
import type { Logger } from './logger.ts';

export interface Component {
  readonly name: string;
  start(): void | Promise<void>;
  /** Must return by `deadlineMs` (performance.now()). It may abort what still runs then. */
  stop(deadlineMs: number): void | Promise<void>;
}

export class Lifecycle {
  readonly #components: readonly Component[];
  readonly #log: Logger;
  #started: Component[] = [];

  constructor(components: readonly Component[], log: Logger) {
    this.#components = components;
    this.#log = log;
  }

  /** Starts all components. If one fails, stops the others and throws its error. */
  async start(): Promise<void> {
    for (const component of this.#components) {
      try {
        this.#started.push(component);
        await component.start();
      } catch (error) {
        await this.stop(performance.now() + 1000);
        throw error;
      }
    }
  }

  /**
   * Stops all components, or those that `isMeant` selects, in reverse order. An error of one is logged, and the others are
   * stopped all the same.
   */
  async stop(deadlineMs: number, isMeant: (component: Component) => boolean = () => true): Promise<void> {
    const components = this.#started.filter(isMeant).reverse();
    this.#started = this.#started.filter((component) => !components.includes(component));
    for (const component of components) {
      try {
        await component.stop(deadlineMs);
      } catch (error) {
        this.#log.error('component failed to stop', { component: component.name, error: String(error) });
      }
    }
  }
}
