// Whether weir has had no request yet, and where a first one can be sent.
// Invariant: the store is asked once, and only if the last hour has no request.
import { useAnswer } from '../../api/use-answer.ts';
import type { OverviewJson } from '../../../src/control/admin/overview/overview-json.ts';
import type { SettingList } from '../../../src/control/admin/answers/settings-answers.ts';
import { me, missing } from '../../me.ts';
import { dataUrl } from './data-url.ts';

export interface FirstRunFacts {
  /** Base address of the data server; null: it cannot be known, or this key may not know it. */
  readonly url: string | null;
  readonly model: string;
}

/** `no`: it has had requests, or stores none. `unknown`: not answered yet. */
export function useFirstRun({ traffic }: OverviewJson): FirstRunFacts | 'no' | 'unknown' {
  const isQuiet = Object.values(traffic.totals).every((n) => n === 0);
  const found = useAnswer<{ readonly logs: readonly unknown[] }>(
    isQuiet
      ? { path: '/v1/logs', query: { q: 'kind:request', limit: 1, start: '2000-01-01T00:00:00Z' } }
      : undefined,
  );
  const { value, error } = found.asked.value;
  const isFirst = isQuiet && value?.logs.length === 0;
  const settings = useAnswer<SettingList>(
    isFirst && missing('admin') === undefined ? { path: '/v1/settings' } : undefined,
  );
  if (!isQuiet || error !== undefined) return 'no';
  if (value === undefined) return 'unknown';
  if (!isFirst) return 'no';
  if (me.value === undefined || settings.asked.value.isAsking) return 'unknown';
  return {
    url: dataUrl(settings.asked.value.value?.settings ?? [], location.hostname) ?? null,
    model: me.value?.model.name || me.value?.model.id || 'model',
  };
}
