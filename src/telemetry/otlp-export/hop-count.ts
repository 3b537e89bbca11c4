// How many weirs a record has come through, so that two that export to each other do not do so for ever.
// Must stay true: what weir sends is marked (in its OTLP scope), what weir takes in keeps the mark, and behind the last
// hop nothing is sent. What weir says of itself goes out unmarked: its scope's name says it.
import { attributesOf, type LogRecord } from '../logs/logs.ts';

export const SCOPE = 'weir';
const MARK = 'weir.hops';
/** From one weir through two that gather, to whoever keeps it. */
const MAX_HOPS = 3;

/** Who recorded it, as src/telemetry/logs/ingest/otlp-records.ts writes that down. */
export interface HopScope {
  readonly name?: string;
  readonly version?: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
}

/** How many weirs sent it before. */
function hopsBehind({ name, attributes }: HopScope): number {
  const said = attributes?.[MARK];
  if (typeof said === 'number' && said > 0) return said;
  return name === SCOPE ? 1 : 0;
}

/** Which hop of a posted record it would be to send it, from 1 on; `undefined`: it has come round, and stays. */
export function nextHop(scope: HopScope | undefined): number | undefined {
  const hop = 1 + (scope === undefined ? 0 : hopsBehind(scope));
  return hop > MAX_HOPS ? undefined : hop;
}

/** The same of any record. Only what was posted is read for it. */
export function hopOf(record: LogRecord): number | undefined {
  if (record.source !== 'api' || !record.attributes.includes('"scope"')) return 1;
  const { scope } = attributesOf(record) as { scope?: unknown };
  return nextHop(typeof scope === 'object' && scope !== null ? scope : undefined);
}

/** Attributes of the scope for that hop; none where the scope's name, `weir`, says it all. */
export const markOf = (hop: number, name: string): Readonly<Record<string, number>> =>
  hop === 1 && name === SCOPE ? {} : { [MARK]: hop };
