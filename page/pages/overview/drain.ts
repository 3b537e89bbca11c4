// Draining a replica: asked in its row, done by the admin API, and undone from a toast.
// Invariant: nothing is drained without a second click that says how many requests run on the replica.
import { signal } from '@preact/signals';
import { ask } from '../../api/client.ts';
import { refreshMe } from '../../me.ts';
import { toast } from '../../parts/floating.tsx';

/** The replica whose row asks, as `deployment/replica`. */
export const askedDrain = signal<string | undefined>(undefined);

export interface ReplicaName {
  readonly deployment: string;
  readonly id: string;
}

export const nameOf = ({ deployment, id }: ReplicaName): string => `${deployment}/${id}`;

async function change(of: ReplicaName, action: 'drain' | 'resume'): Promise<boolean> {
  const path = ['v1', 'replicas', of.deployment, of.id, action].map(encodeURIComponent).join('/');
  const answer = await ask('POST', `/${path}`);
  if (!answer.ok)
    toast(`${of.id} could not be ${action === 'drain' ? 'drained' : 'resumed'}: ${answer.error.message}`, {
      isError: true,
    });
  refreshMe();
  return answer.ok;
}

/** Drains a replica. `done` is called when weir has answered. */
export async function drain(of: ReplicaName, outstanding: number, done: () => void): Promise<void> {
  askedDrain.value = undefined;
  const isDone = await change(of, 'drain');
  done();
  if (!isDone) return;
  const running =
    outstanding === 0
      ? 'no request runs on it'
      : `${outstanding} ${outstanding === 1 ? 'request still runs' : 'requests still run'} on it`;
  toast(`${of.id} is drained; ${running}.`, {
    action: { shown: 'Undo', run: () => void resume(of, done) },
  });
}

/** Ends a drain. */
export async function resume(of: ReplicaName, done: () => void): Promise<void> {
  await change(of, 'resume');
  done();
}
