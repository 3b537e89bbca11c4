// Families of the log store: records stored and lost, what waits to be stored, damage, and space on disk.
// Invariant: every record that is lost is counted here, with a reason. Without a log store there are no series.
import type { RecordKind } from '../../logs/logs.ts';
import type { Family } from '../family.ts';
import type { LogStoreFigures } from '../metric-sources.ts';

const KINDS = ['request', 'line', 'span', 'event', 'annotation'] satisfies readonly RecordKind[];
const REASONS = ['queue_full', 'store_full', 'store_error', 'store_unusable'];

const counter = (
  name: string,
  help: string,
  label: string,
  values: readonly string[],
  countsOf: (figures: LogStoreFigures) => ReadonlyMap<string, number>,
): Family => ({
  name,
  type: 'counter',
  help,
  labels: [label],
  samples({ logStore }) {
    const figures = logStore();
    if (figures === undefined) return [];
    const counts = countsOf(figures);
    return values.map((value) => ({ labels: { [label]: value }, value: counts.get(value) ?? 0 }));
  },
});

const single = (
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  valueOf: (figures: LogStoreFigures) => number,
): Family => ({
  name,
  type,
  help,
  labels: [],
  samples({ logStore }) {
    const figures = logStore();
    return figures ? [{ labels: {}, value: valueOf(figures) }] : [];
  },
});

export const logFamilies: readonly Family[] = [
  counter(
    'weir_log_records_total',
    'Records written to the log store, by kind.',
    'kind',
    KINDS,
    (of) => of.stored,
  ),
  counter(
    'weir_log_records_lost_total',
    'Records that were not written to the log store, by reason. A chunk of output that was lost as a whole counts as one.',
    'reason',
    REASONS,
    (of) => of.dropped,
  ),
  single(
    'weir_log_bodies_skipped_total',
    'counter',
    'Requests stored without their bodies because there was no room for the bodies.',
    (of) => of.bodiesSkipped + of.bodiesDropped,
  ),
  {
    name: 'weir_log_masked_values_total',
    type: 'counter',
    help: 'Values that `logs.mask` replaced before they were stored, by rule. Rules that replaced nothing are left out.',
    labels: ['rule'],
    samples: ({ logStore }) =>
      Array.from(logStore()?.masked ?? [], ([rule, value]) => ({ labels: { rule }, value })),
  },
  single(
    'weir_log_bodies_unmaskable_total',
    'counter',
    'Bodies that were not stored because `logs.mask` or `logs.mask_paths` could not be applied to them.',
    (of) => of.bodiesUnmaskable,
  ),
  single(
    'weir_log_ring_bytes',
    'gauge',
    'Requests and log lines that the recorder thread has not read yet, in bytes. Beyond 4 MiB they are lost.',
    (of) => of.ringBytes,
  ),
  single(
    'weir_log_queue_bytes',
    'gauge',
    'Output, posts and large bodies that are not stored yet, in bytes. Beyond 64 MiB they are lost.',
    (of) => of.queuedBytes,
  ),
  single(
    'weir_log_store_lag_seconds',
    'gauge',
    'How long the oldest record has waited for the disk or for a lock on the file. 0: none waits.',
    (of) => of.lagSeconds,
  ),
  single(
    'weir_log_store_damaged_total',
    'counter',
    'Files and pages of the log store that were found damaged and set aside.',
    (of) => of.damaged,
  ),
  single('weir_log_store_bytes', 'gauge', 'Size of the log store on disk, in bytes.', (of) => of.storeBytes),
];
