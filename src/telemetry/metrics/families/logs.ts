// weir's own families about its record of what happened: what was stored, what was lost and why, what it takes.
// Must stay true: what is lost anywhere on the way is counted here, under its reason.
import type { RecordKind } from '../../logs/logs.ts';
import type { Family } from '../family.ts';

/** What the record knows of itself. */
export interface LogFigures {
  readonly stored: ReadonlyMap<string, number>;
  readonly dropped: ReadonlyMap<string, number>;
  /** Requests without the bodies that were to be kept: not copied, or not taken by the writer. */
  readonly bodiesSkipped: number;
  readonly bodiesDropped: number;
  readonly queuedBytes: number;
  readonly storeBytes: number;
}

const KINDS = ['request', 'line', 'span', 'event'] satisfies readonly RecordKind[];
const REASONS = ['queue_full', 'store_full', 'store_error', 'store_unusable'];

/** `figures` gives `undefined` where nothing is recorded: then there are no series. */
export function logFamilies(figures: () => LogFigures | undefined): Family[] {
  const counter = (
    name: string,
    help: string,
    label: string,
    known: readonly string[],
    counts: (of: LogFigures) => ReadonlyMap<string, number>,
  ): Family => ({
    name,
    type: 'counter',
    help,
    labels: [label],
    samples() {
      const now = figures();
      return now ? known.map((one) => ({ labels: { [label]: one }, value: counts(now).get(one) ?? 0 })) : [];
    },
  });
  const gauge = (name: string, help: string, value: (of: LogFigures) => number): Family => ({
    name,
    type: 'gauge',
    help,
    labels: [],
    samples() {
      const now = figures();
      return now ? [{ labels: {}, value: value(now) }] : [];
    },
  });
  return [
    counter('weir_log_records_total', 'Records that were stored, by kind.', 'kind', KINDS, (of) => of.stored),
    counter(
      'weir_log_records_lost_total',
      'Requests, pieces of output and posted records that were not recorded, by reason.',
      'reason',
      REASONS,
      (of) => of.dropped,
    ),
    {
      name: 'weir_log_bodies_skipped_total',
      type: 'counter',
      help: 'Requests that were recorded without the bodies that were to be kept, because there was no room for them.',
      labels: [],
      samples() {
        const now = figures();
        return now ? [{ labels: {}, value: now.bodiesSkipped + now.bodiesDropped }] : [];
      },
    },
    gauge('weir_log_queue_bytes', 'Bytes on their way to the record.', (of) => of.queuedBytes),
    gauge('weir_log_store_bytes', 'Bytes that the record takes on the disk.', (of) => of.storeBytes),
  ];
}
