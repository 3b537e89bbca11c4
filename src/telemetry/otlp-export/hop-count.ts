// Hop counts: how many weirs a record has passed, so that two weirs that export to each other do not loop.
// Invariant: an exported record carries its hop count in the attributes of its OTLP scope, ingest keeps it, and a
// record is not exported after MAX_HOPS. On the first hop the scope name `weir` replaces the attribute.
import { attributesOf, type LogRecord } from '../logs/logs.ts';

export const SCOPE = 'weir';
const HOPS_ATTRIBUTE = 'weir.hops';
/** A sidecar, two weirs that gather records, and a receiver. */
const MAX_HOPS = 3;

/** An OTLP scope, as telemetry/logs/ingest/otlp-records.ts stores it. */
export interface HopScope {
  readonly name?: string;
  readonly version?: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
}

/** Number of weirs that have exported the record. */
function hopsBefore({ name, attributes }: HopScope): number {
  const hops = attributes?.[HOPS_ATTRIBUTE];
  if (typeof hops === 'number' && hops > 0) return hops;
  return name === SCOPE ? 1 : 0;
}

/** The hop that an export of a posted record would be, from 1 on. `undefined`: the limit is reached. */
export function nextHop(scope: HopScope | undefined): number | undefined {
  const hop = 1 + (scope === undefined ? 0 : hopsBefore(scope));
  return hop > MAX_HOPS ? undefined : hop;
}

/** The hop that an export of any record would be. Attributes are parsed for posted records only. */
export function hopOf(record: LogRecord): number | undefined {
  if (record.source !== 'api' || !record.attributes.includes('"scope"')) return 1;
  const { scope } = attributesOf(record) as { scope?: unknown };
  return nextHop(typeof scope === 'object' && scope !== null ? scope : undefined);
}

/** Attributes of an exported scope. Empty on the first hop of a scope named `weir`. */
export const hopAttributes = (hop: number, name: string): Readonly<Record<string, number>> =>
  hop === 1 && name === SCOPE ? {} : { [HOPS_ATTRIBUTE]: hop };
