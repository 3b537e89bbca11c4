// An ended exchange as plain data, so that another weir can store its record.
import type { RawBodies } from './body-capture.ts';
import { Exchange } from './exchange.ts';
import { LlmFacts } from './llm-facts.ts';

/** The facts of an ended exchange, which `v8.serialize` can copy. */
export type ExchangeFacts = Readonly<Record<string, unknown>>;

/** The facts of an exchange, without its bodies. */
export function factsOfExchange(exchange: Exchange): ExchangeFacts {
  const {
    bodyCapture: _bodies,
    llmSource: _source,
    ...facts
  } = exchange as unknown as Record<string, unknown>;
  return facts;
}

/** An ended exchange with these facts. It is only for the record: it has no observers. */
export function exchangeOfFacts(facts: ExchangeFacts, bodies: RawBodies | undefined): Exchange {
  const exchange = Object.create(Exchange.prototype) as Record<string, unknown>;
  Object.assign(exchange, facts, {
    bodyCapture: bodies && { take: () => bodies },
    llm: facts['llm'] && Object.assign(new LlmFacts(), facts['llm']),
    llmSource: undefined,
  });
  return exchange as unknown as Exchange;
}
