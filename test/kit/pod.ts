// Pod objects for tests, made from a recorded GPU pod with a native sidecar and weir.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const WHOLE = readFileSync(
  fileURLToPath(new URL('../fixtures/kubernetes/pod.json', import.meta.url)),
  'utf8',
);

export interface PodShape {
  name?: string;
  uid?: string;
  labels?: Record<string, string>;
  /** Restarts of the model's container. */
  restarts?: number;
  /** Status of the Ready condition. undefined: the pod has no such condition. */
  ready?: 'True' | 'False' | 'Unknown' | undefined;
  /** When the condition changed. The model's container has run since 08:04:11. */
  readySince?: string;
  phase?: string;
  isDeleting?: boolean;
  /** No container statuses, as before the pod is scheduled. */
  isPending?: boolean;
}

export interface PodObject {
  metadata: Record<string, unknown> & { name: string; uid: string; labels: Record<string, string> };
  spec: unknown;
  status: {
    phase: string;
    conditions: { type: string; status: string; lastTransitionTime: string }[];
    containerStatuses?: { name: string; restartCount: number; ready: boolean; state: unknown }[];
    initContainerStatuses?: unknown[];
  };
}

/** A ready pod without restarts, changed by `shape`. */
export function podObject(shape: PodShape = {}): PodObject {
  const pod = JSON.parse(WHOLE) as PodObject;
  if (shape.name !== undefined) pod.metadata.name = shape.name;
  pod.metadata.uid = shape.uid ?? (shape.name === undefined ? pod.metadata.uid : `uid-of-${shape.name}`);
  if (shape.labels) pod.metadata.labels = shape.labels;
  if (shape.isDeleting) pod.metadata['deletionTimestamp'] = '2026-11-20T09:20:00Z';
  pod.status.phase = shape.phase ?? (shape.isPending ? 'Pending' : 'Running');
  const ready = pod.status.conditions.find(({ type }) => type === 'Ready')!;
  if ('ready' in shape) {
    if (shape.ready === undefined)
      pod.status.conditions = pod.status.conditions.filter(({ type }) => type !== 'Ready');
    else ready.status = shape.ready;
  }
  if (shape.readySince !== undefined) ready.lastTransitionTime = shape.readySince;
  const model = pod.status.containerStatuses!.find(({ name }) => name === 'model')!;
  model.restartCount = shape.restarts ?? 0;
  if (shape.isPending) {
    delete pod.status.containerStatuses;
    delete pod.status.initContainerStatuses;
    pod.status.conditions = pod.status.conditions.filter(({ type }) => type === 'PodScheduled');
  }
  return pod;
}
