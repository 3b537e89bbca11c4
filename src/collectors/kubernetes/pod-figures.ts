// From pod objects to figures: how often containers were started again, who is ready, who is still starting. Pure.
// Must stay true: whatever an API server sends is read without failing, and restarts never go down.
// Fields: Kubernetes API v1, PodStatus and ContainerStatus.

export type PodCondition = 'true' | 'false' | 'unknown';

/** What there is to know of one pod. */
export interface Pod {
  readonly uid: string;
  readonly readiness: PodCondition;
  /** Waits for a place, loads, or was started again, and has not been ready since. */
  readonly isStarting: boolean;
  readonly isDeleting: boolean;
  /** Ended for good (Succeeded, Failed or evicted): no replica any more. */
  readonly isOver: boolean;
  /** Restarts of the model's containers, as the kubelet counts them. */
  readonly restarts: number;
}

/** The figures of the pods of one deployment. */
export interface PodFigures {
  /** Restarts since the oldest pod known began; pods that are gone stay counted. */
  readonly restarts: number;
  readonly readiness: Readonly<Record<PodCondition, number>>;
  /** Pods that are ready and not being deleted. */
  readonly active: number;
  readonly starting: number;
  /** All that are neither over nor being deleted: those two, and those that were ready and are not now. */
  readonly all: number;
}

type Fields = Readonly<Record<string, unknown>>;

const fields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? (value as Fields) : {};
const list = (value: unknown): Fields[] => (Array.isArray(value) ? value.map(fields) : []);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** A point in time as JSON has it or as the client library gives it, in milliseconds; NaN where there is none. */
const timeMs = (value: unknown): number =>
  value instanceof Date ? value.getTime() : typeof value === 'string' ? Date.parse(value) : NaN;

/** What weir's own container is called when no name says which one is the model's. */
const OWN = /^weir/;

/** Reads a pod object; `undefined` where it is none. `container` is the model's, or empty for all but weir's. */
export function readPod(value: unknown, container: string): Pod | undefined {
  const metadata = fields(fields(value)['metadata']);
  const status = fields(fields(value)['status']);
  const uid = text(metadata['uid']);
  if (uid === '') return undefined;
  // Native sidecars are init containers and have a list of their own: they are no model.
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
 * True when a pod that is not ready has been, since its containers run: its Ready condition turned after they had
 * started. It needs no memory, so that it holds for pods that are older than this process. (A pod that starts has the
 * condition at False before its containers run, and a container that dies turns it before it is started again.)
 */
function wasReady(ready: Fields | undefined, containers: readonly Fields[]): boolean {
  const turnedMs = timeMs(ready?.['lastTransitionTime']);
  const startedMs = containers.map((one) => timeMs(fields(fields(one['state'])['running'])['startedAt']));
  return startedMs.length > 0 && startedMs.every((started) => turnedMs > started);
}

/** Pods whose restarts are remembered after they have gone, at most: a list may leave one out by mistake. */
const REMEMBERED = 4096;

/** The pods that there are, and the restarts of all that there ever were. */
export class Pods {
  readonly #container: string;
  readonly #current = new Map<string, Pod>();
  /** uid → the most restarts it was seen with, oldest news first. */
  readonly #counted = new Map<string, number>();
  #restarts = 0;

  constructor(container: string) {
    this.#container = container;
  }

  /** These pods are all that there are. */
  replace(objects: readonly unknown[]): void {
    this.#current.clear();
    for (const object of objects) this.put(object);
  }

  /** A pod is new, or no longer what it was. */
  put(object: unknown): void {
    const pod = readPod(object, this.#container);
    if (pod === undefined) return;
    this.#current.set(pod.uid, pod);
    const before = this.#counted.get(pod.uid) ?? 0;
    const now = Math.max(before, pod.restarts);
    this.#restarts += now - before;
    this.#counted.delete(pod.uid);
    this.#counted.set(pod.uid, now);
    if (this.#counted.size > REMEMBERED + this.#current.size) this.#forgetOldest();
  }

  /** A pod is gone. What is told of it at last still counts. */
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
