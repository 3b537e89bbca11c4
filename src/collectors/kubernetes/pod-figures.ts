// Counts pods by state, and restarts of their containers, from pod objects of the API server.
// Invariant: any input is read without an exception, and the number of restarts never decreases.
// Fields: Kubernetes API v1, PodStatus and ContainerStatus.

export type PodCondition = 'true' | 'false' | 'unknown';

/** State of one pod. */
export interface Pod {
  readonly uid: string;
  readonly readiness: PodCondition;
  /** Pending, or running and not ready since its containers started. */
  readonly isStarting: boolean;
  readonly isDeleting: boolean;
  /** Ended for good: Succeeded, Failed or evicted. */
  readonly isOver: boolean;
  /** Restarts of the model's containers, as counted by the kubelet. */
  readonly restarts: number;
}

/** Counts of the pods of one deployment. */
export interface PodFigures {
  /** Restarts of all pods, including deleted ones. */
  readonly restarts: number;
  readonly readiness: Readonly<Record<PodCondition, number>>;
  /** Pods that are ready and not being deleted. */
  readonly active: number;
  readonly starting: number;
  /** Pods that are neither over nor being deleted, in any condition. */
  readonly all: number;
}

type Fields = Readonly<Record<string, unknown>>;

const fields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? (value as Fields) : {};
const list = (value: unknown): Fields[] => (Array.isArray(value) ? value.map(fields) : []);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** A time as a JSON string or a Date, in milliseconds since the epoch. NaN if there is none. */
const timeMs = (value: unknown): number =>
  value instanceof Date ? value.getTime() : typeof value === 'string' ? Date.parse(value) : NaN;

/** Names of weir's own container. They are excluded if the model's container is not configured. */
const OWN = /^weir/;

/** Reads a pod object; `undefined` if it has no uid. `container`: name of the model's; empty: all but weir's. */
export function readPod(value: unknown, container: string): Pod | undefined {
  const metadata = fields(fields(value)['metadata']);
  const status = fields(fields(value)['status']);
  const uid = text(metadata['uid']);
  if (uid === '') return undefined;
  // Native sidecars are init containers, which are in another list.
  const containers = list(status['containerStatuses']).filter((one) =>
    container === '' ? !OWN.test(text(one['name'])) : one['name'] === container,
  );
  const ready = list(status['conditions']).find((condition) => condition['type'] === 'Ready');
  const readiness: PodCondition =
    ready?.['status'] === 'True' ? 'true' : ready?.['status'] === 'False' ? 'false' : 'unknown';
  const phase = text(status['phase']);
  const isDeleting = metadata['deletionTimestamp'] != null;
  return {
    uid,
    readiness,
    isDeleting,
    isOver: phase === 'Succeeded' || phase === 'Failed',
    isStarting:
      (phase === 'Pending' || phase === 'Running') &&
      readiness !== 'true' &&
      !isDeleting &&
      !wasReady(ready, containers),
    restarts: containers.reduce((sum, one) => sum + countOf(one['restartCount']), 0),
  };
}

const countOf = (value: unknown): number => (Number.isSafeInteger(value) ? Math.max(0, value as number) : 0);

/**
 * True if a pod that is not ready was ready since its containers started: its Ready condition changed after their
 * start.
 * It depends on the object only, so it holds for pods older than this process. (A new pod has the condition False
 * before its containers run, and a container that exits changes it before it is restarted.)
 */
function wasReady(ready: Fields | undefined, containers: readonly Fields[]): boolean {
  const changedMs = timeMs(ready?.['lastTransitionTime']);
  const startedMs = containers.map((one) => timeMs(fields(fields(one['state'])['running'])['startedAt']));
  return startedMs.length > 0 && startedMs.every((started) => changedMs > started);
}

/** Maximum number of deleted pods whose restarts are kept, since a list may omit a pod by mistake. */
const MAX_DELETED = 4096;

/** The current pods, and the restarts of all pods so far. */
export class Pods {
  readonly #container: string;
  readonly #current = new Map<string, Pod>();
  /** uid → highest number of restarts, least recently updated first. */
  readonly #counted = new Map<string, number>();
  #restarts = 0;

  constructor(container: string) {
    this.#container = container;
  }

  /** Replaces all pods. */
  replace(objects: readonly unknown[]): void {
    this.#current.clear();
    for (const object of objects) this.put(object);
  }

  /** Adds or updates a pod. */
  put(object: unknown): void {
    const pod = readPod(object, this.#container);
    if (pod === undefined) return;
    this.#current.set(pod.uid, pod);
    const before = this.#counted.get(pod.uid) ?? 0;
    const now = Math.max(before, pod.restarts);
    this.#restarts += now - before;
    this.#counted.delete(pod.uid);
    this.#counted.set(pod.uid, now);
    if (this.#counted.size > MAX_DELETED + this.#current.size) this.#forgetOldest();
  }

  /** Removes a pod. Restarts in its last state still count. */
  remove(object: unknown): void {
    this.put(object);
    const pod = readPod(object, this.#container);
    if (pod !== undefined) this.#current.delete(pod.uid);
  }

  figures(): PodFigures {
    const readiness = { true: 0, false: 0, unknown: 0 };
    let active = 0;
    let starting = 0;
    let all = 0;
    for (const pod of this.#current.values()) {
      if (pod.isOver) continue;
      readiness[pod.readiness]++;
      if (pod.readiness === 'true' && !pod.isDeleting) active++;
      if (pod.isStarting) starting++;
      if (!pod.isDeleting) all++;
    }
    return { restarts: this.#restarts, readiness, active, starting, all };
  }

  #forgetOldest(): void {
    for (const uid of this.#counted.keys())
      if (!this.#current.has(uid)) {
        this.#counted.delete(uid);
        return;
      }
  }
}
