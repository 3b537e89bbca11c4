// Where the verdict leads to: the requests that it is about, and the last log lines.
// Invariant: pure; at most two links, those of the first rules that are broken.
import type { VerdictJson, VerdictPart } from '../../../src/control/admin/overview/overview-json.ts';
import { grouped } from '../../formats.ts';
import { addressOf } from '../../routes.ts';

export interface VerdictLink {
  readonly label: string;
  readonly address: string;
}

const LIMIT = 2;

const logs = (label: string, q: string, since = '1h'): VerdictLink => ({
  label,
  address: addressOf({ page: 'logs' }, { q, since: since === '1h' ? '' : since }),
});

const requests = (n: number): string => `${grouped(n)} ${n === 1 ? 'request' : 'requests'}`;

function linksOf(part: VerdictPart): readonly VerdictLink[] {
  switch (part.rule) {
    case 'replica_down':
      return [
        ...(part.failed > 0 ? [logs(requests(part.failed), part.q)] : []),
        logs(`Last lines of ${part.replica}`, part.lines_q),
      ];
    case 'no_ready_replica':
      return [logs('Failed requests', part.q)];
    case 'errors':
      return [logs('Failed requests', part.q, '15m')];
    case 'refusals':
      return [logs('Refused requests', part.q, '5m')];
    case 'latency':
      return [logs('Slow requests', part.q, '15m')];
    case 'gpu_memory':
      return [logs(`Last lines of ${part.replica}`, part.q)];
    case 'async_wait':
      return [logs('Async requests', part.q)];
    case 'store_lost':
    case 'scale_unmet':
    case 'draining':
      return [logs('Events', part.q)];
    case 'exporter':
      return [
        {
          label: `Connection ${part.name}`,
          address: addressOf({ page: 'settings', section: 'connections', id: part.id }),
        },
      ];
    case 'capacity':
    case 'all_well':
      return [];
  }
}

/** What requests feel comes first. A verdict that all is well needs no link. */
export function verdictLinks({ level, parts }: VerdictJson): readonly VerdictLink[] {
  if (level === 'ok') return [];
  const found = [...parts].sort((a, b) => Number(b.is_felt) - Number(a.is_felt)).flatMap(linksOf);
  return found.filter(({ label }, i) => found.findIndex((one) => one.label === label) === i).slice(0, LIMIT);
}
