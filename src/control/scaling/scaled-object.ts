// What the metadata of a ScaledObject asks for, read strictly: KEDA shows the sentence to whoever wrote it.
// Must stay true: nothing that is misspelt or out of range is guessed at; what is not said is as weir's settings have it.
import { nearest } from '../../core/nearest-name.ts';
import type { ScaleReading } from './autoscaler.ts';

/** Which figure drives KEDA: weir's own decision, or the mean in flight with KEDA's own pace up and down. */
const METRICS = ['replicas', 'concurrency'] as const;
type MetricName = (typeof METRICS)[number];

const KEYS = ['deployment', 'metric', 'targetConcurrency', 'targetUtilization', 'activationThreshold'];

/** What KEDA itself reads from the same metadata, and passes on. */
const KEDAS =
  /^(?:scalerAddress|enableTLS|unsafeSsl|caCert|tlsCertFile|tlsClientCert|tlsClientKey|useCachedMetrics)(?:FromEnv)?$/;
/** `targetConcurrencyFromEnv: NAME` is passed on under that key, with the variable's value. */
const FROM_ENV = 'FromEnv';
/** KEDA gives the HPA thousandths; a target of none would be refused there, without a word of why. */
const MIN_TARGET = 0.001;

/** A trigger with all its figures. */
export interface Trigger {
  /** As KEDA is told it. */
  readonly name: string;
  /** How much of the metric each replica should have. */
  readonly target: number;
  /** `undefined`, like `isActive`: not known yet. */
  readonly value: number | undefined;
  readonly isActive: boolean | undefined;
}

/** The trigger's figures now, or a sentence that says what is wrong with its metadata. */
export function readTrigger(
  given: Readonly<Record<string, string>>,
  readings: readonly ScaleReading[],
): Trigger | { readonly problem: string } {
  const metadata: Record<string, string> = {};
  for (const [written, value] of Object.entries(given)) {
    if (KEDAS.test(written)) continue;
    const key = written.endsWith(FROM_ENV) ? written.slice(0, -FROM_ENV.length) : written;
    if (!KEYS.includes(key)) {
      const near = nearest(key, KEYS);
      return {
        problem: `metadata ${written} is unknown; ${near ? `did you mean ${near}?` : `there is ${KEYS.join(', ')}`}`,
      };
    }
    if (metadata[key] !== undefined)
      return { problem: `metadata ${key} is there twice, as ${key} and as ${key}${FROM_ENV}` };
    metadata[key] = value;
  }
  const reading = find(metadata['deployment'], readings);
  if ('problem' in reading) return reading;
  const metric = metadata['metric'] ?? METRICS[0];
  if (!isMetric(metric))
    return { problem: `metadata metric is ${JSON.stringify(metric)}, must be replicas or concurrency` };
  if (metric === 'replicas') return ofReplicas(metadata, reading);
  return ofConcurrency(metadata, reading);
}

const isMetric = (word: string): word is MetricName => (METRICS as readonly string[]).includes(word);

function ofReplicas(
  metadata: Readonly<Record<string, string>>,
  { id, desired, in_flight }: ScaleReading,
): Trigger | { readonly problem: string } {
  for (const key of ['targetConcurrency', 'targetUtilization', 'activationThreshold'])
    if (metadata[key] !== undefined)
      return {
        problem: `metadata ${key} goes with metric: concurrency; with metric: replicas weir’s own settings (scale.…) decide`,
      };
  const isActive = desired === null ? in_flight > 0 || undefined : desired > 0;
  return { name: `weir-replicas-${id}`, target: 1, value: desired ?? undefined, isActive };
}

function ofConcurrency(
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
      problem: `metadata targetConcurrency × targetUtilization is ${target} in flight for each replica, must be ${MIN_TARGET} or more`,
    };
  return {
    name: `weir-concurrency-${id}`,
    target,
    value: mean_in_flight,
    // Who waits now counts at once, who was there lately for as long as the mean remembers.
    isActive: Math.max(mean_in_flight, in_flight) > (activation as number),
  };
}

function find(
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

/** A number of the metadata, whose values are all text. */
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
