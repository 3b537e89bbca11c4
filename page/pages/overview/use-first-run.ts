// Whether weir has had no request yet, and where a first one can be sent.
// Invariant: the store is asked once, and only if the last hour has no request.
import { useAnswer } from '../../api/use-answer.ts';
import type { OverviewJson } from '../../../src/control/admin/overview/overview-json.ts';
import type { SettingList } from '../../../src/control/admin/answers/settings-answers.ts';
import { me, missing } from '../../me.ts';
import { dataUrl } from './data-url.ts';

export interface FirstRunFacts {
  /** Base address of the data server; `undefined`: this key may not know it. */
  readonly url: string | undefined;
  readonly model: string;
}

/** `undefined`: it has had requests, or that is not known. */
export function useFirstRun({ traffic }: OverviewJson): FirstRunFacts | undefined {
  const isQuiet = Object.values(traffic.totals).every((n) => n === 0);
  const found = useAnswer<{ readonly records: readonly unknown[] }>(
    isQuiet && me.value?.store != null
      ? { path: '/v1/logs', query: { q: 'kind:request', limit: 1, start: '2000-01-01T00:00:00Z' } }
      : undefined,
  );
  const isFirst = isQuiet && found.asked.value.value?.records.length === 0;
  const settings = useAnswer<SettingList>(
    isFirst && missing('admin') === undefined ? { path: '/v1/settings' } : undefined,
  );
  if (!isFirst) return undefined;
  return {
    url: dataUrl(settings.asked.value.value?.settings ?? [], location.hostname),
    model: me.value?.model.name || me.value?.model.id || 'model',
  };
}
