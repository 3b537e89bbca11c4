// Parses the metadata of a KEDA ScaledObject. KEDA shows the error to the author of the ScaledObject.
// Invariant: an unknown or invalid key is an error. Missing keys use weir's settings.
import { nearest } from '../../core/nearest-name.ts';
import type { ScaleReading } from './scale-reading.ts';

/** Metric for KEDA: weir's own decision, or the mean of requests in flight. With the latter, KEDA decides the pace. */
const METRICS = ['replicas', 'concurrency'] as const;
type MetricName = (typeof METRICS)[number];

const KEYS = ['deployment', 'metric', 'targetConcurrency', 'targetUtilization', 'activationThreshold'];

/** Keys that KEDA itself reads from the same metadata and passes on. */
const KEDA_KEYS =
  /^(?:scalerAddress|enableTLS|unsafeSsl|caCert|tlsCertFile|tlsClientCert|tlsClientKey|useCachedMetrics)(?:FromEnv)?$/;
/** KEDA passes `targetConcurrencyFromEnv: NAME` on under that key, with the value of the variable. */
const FROM_ENV = 'FromEnv';
/** KEDA gives the HPA thousandths. The HPA rejects a target of 0 without a reason. */
const MIN_TARGET = 0.001;

/** A trigger with its present values. */
export interface Trigger {
  /** Name of the metric for KEDA. */
  readonly name: string;
  /** Value of the metric per replica. */
  readonly target: number;
  /** `undefined`, like `isActive`, while it is not known yet. */
  readonly value: number | undefined;
  readonly isActive: boolean | undefined;
}

/** Values of the trigger now, or the problem of its metadata. */
export function readTrigger(
  given: Readonly<Record<string, string>>,
  readings: readonly ScaleReading[],
): Trigger | { readonly problem: string } {
  const metadata: Record<string, string> = {};
  for (const [written, value] of Object.entries(given)) {
    if (KEDA_KEYS.test(written)) continue;
    const key = written.endsWith(FROM_ENV) ? written.slice(0, -FROM_ENV.length) : written;
    if (!KEYS.includes(key)) {
      const near = nearest(key, KEYS);
      return {
        problem: `metadata ${written} is unknown; ${near ? `did you mean ${near}?` : `known keys: ${KEYS.join(', ')}`}`,
      };
    }
    if (metadata[key] !== undefined)
      return { problem: `metadata ${key} is given twice, as ${key} and as ${key}${FROM_ENV}` };
    metadata[key] = value;
  }
  const reading = findReading(metadata['deployment'], readings);
  if ('problem' in reading) return reading;
  const metric = metadata['metric'] ?? METRICS[0];
  if (!isMetric(metric))
    return { problem: `metadata metric is ${JSON.stringify(metric)}, must be replicas or concurrency` };
  if (metric === 'replicas') return replicasTrigger(metadata, reading);
  return concurrencyTrigger(metadata, reading);
}

const isMetric = (word: string): word is MetricName => (METRICS as readonly string[]).includes(word);

function replicasTrigger(
  metadata: Readonly<Record<string, string>>,
  { id, desired, in_flight }: ScaleReading,
): Trigger | { readonly problem: string } {
  for (const key of ['targetConcurrency', 'targetUtilization', 'activationThreshold'])
    if (metadata[key] !== undefined)
      return {
        problem: `metadata ${key} needs metric: concurrency; with metric: replicas the settings scale.* of weir decide`,
      };
  const isActive = desired === null ? in_flight > 0 || undefined : desired > 0;
  return { name: `weir-replicas-${id}`, target: 1, value: desired ?? undefined, isActive };
}

function concurrencyTrigger(
  metadata: Readonly<Record<string, string>>,
  reading: ScaleReading,
): Trigger | { readonly problem: string } {
  const { id, mean_in_flight, in_flight, concurrency_target, target_utilization_percentage } = reading;
  const concurrency = numberIn(metadata, 'targetConcurrency', concurrency_target, 0.001, 1_000_000);
  const utilization = numberIn(metadata, 'targetUtilization', target_utilization_percentage, 1, 100);
  const activation = numberIn(metadata, 'activationThreshold', 0, 0, 1_000_000);
  for (const read of [concurrency, utilization, activation]) if (typeof read !== 'number') return read;
  const target = ((concurrency as number) * (utilization as number)) / 100;
  if (target < MIN_TARGET)
    return {
      problem: `metadata targetConcurrency × targetUtilization is ${target} requests per replica, must be at least ${MIN_TARGET}`,
    };
  return {
    name: `weir-concurrency-${id}`,
    target,
    value: mean_in_flight,
    // Active at the first request, and until the mean falls below the threshold.
    isActive: Math.max(mean_in_flight, in_flight) > (activation as number),
  };
}

function findReading(
  id: string | undefined,
  readings: readonly ScaleReading[],
): ScaleReading | { readonly problem: string } {
  const ids = readings.map((reading) => reading.id).join(', ');
  if (id === undefined)
    return readings.length === 1
      ? readings[0]!
      : { problem: `metadata deployment is missing, must be one of ${ids}` };
  return (
    readings.find((reading) => reading.id === id) ?? {
      problem: `metadata deployment is ${JSON.stringify(id)}, must be ${readings.length > 1 ? 'one of ' : ''}${ids}`,
    }
  );
}

/** A number of the metadata, whose values are text. */
function numberIn(
  metadata: Readonly<Record<string, string>>,
  key: string,
  fallback: number,
  min: number,
  max: number,
): number | { readonly problem: string } {
  const text = metadata[key];
  if (text === undefined) return fallback;
  const value = /^\d+(?:\.\d+)?$/.test(text.trim()) ? Number(text) : NaN;
  return value >= min && value <= max
    ? value
    : {
        problem: `metadata ${key} is ${JSON.stringify(text)}, must be a number from ${min} to ${max}, such as "${fallback}"`,
      };
}
