// The steps of an exchange, for the debug log.
import type { Exchange } from './exchange.ts';

/** The part of weir that accepted a request. */
export type AcceptedBy = 'fast lane' | 'HTTP/1.1 server' | 'HTTP/2 server' | 'queue';

/** Is told of each step of every exchange as it happens, for the debug log. */
export interface StepListener {
  accepted(exchange: Exchange, by: AcceptedBy): void;
  queued(exchange: Exchange): void;
  leased(exchange: Exchange): void;
  sent(exchange: Exchange): void;
  retrying(exchange: Exchange, delayMs: number): void;
  responded(exchange: Exchange, status: number): void;
}
