// Failed requests of the last hour by cause: who has to act, how many and when, and an example.
import type { JSX } from 'preact';
import type { OverviewCause, OverviewJson } from '../../../src/control/admin/overview/overview-json.ts';
import { NOT_OK_Q } from '../../../src/control/admin/overview/verdict.ts';
import { grouped, msOfNs, visibleLine } from '../../formats.ts';
import { Time } from '../../parts/basics.tsx';
import { Empty, Panel } from '../../parts/panel.tsx';
import { Bars } from '../../parts/spark.tsx';
import { carried } from '../../commands.ts';
import { addressOf } from '../../routes.ts';

const COLORS = { client: 'note', weir: 'err', replica: 'err' } as const;

const colorOf = ({ origin, status }: OverviewCause): string =>
  origin === 'client' && status !== 499 && status !== 0 ? 'warn' : COLORS[origin];

export const Causes = ({ overview: { causes } }: { readonly overview: OverviewJson }): JSX.Element => {
  const max = Math.max(4, ...causes.flatMap(({ points }) => points));
  return (
    <Panel
      title="Errors by cause"
      sub="last 60 min"
      side={
        <a class="small" href={addressOf({ page: 'logs' }, { q: NOT_OK_Q, ...carried() })}>
          all in Logs
        </a>
      }
    >
      {causes.length === 0 ? (
        <Empty>
          <p>No request has failed in the last hour.</p>
        </Empty>
      ) : (
        <div class="scroll">
          <table class="causes">
            <thead>
              <tr>
                <th>Cause</th>
                <th>Who has to act</th>
                <th class="n">Count</th>
                <th class="mh">by 5 min</th>
                <th>Last</th>
                <th class="eg">For example</th>
              </tr>
            </thead>
            <tbody>
              {causes.map((one) => (
                <tr key={`${one.cause} ${one.origin}`}>
                  <td>
                    <a class="mono" href={addressOf({ page: 'logs' }, { q: one.q })}>
                      {one.cause}
                    </a>
                  </td>
                  <td>{one.origin}</td>
                  <td class="n strong">{grouped(one.count)}</td>
                  <td class="mh">
                    <Bars counts={one.points} color={colorOf(one)} max={max} />
                  </td>
                  <td class="mono dim">
                    <Time ms={msOfNs(one.last_ns)} />
                  </td>
                  <td class="eg mid" title={visibleLine(one.example)}>
                    <div class="el">
                      {one.example_request_id === '' ? (
                        visibleLine(one.example)
                      ) : (
                        <a
                          class="quietlink"
                          href={addressOf({ page: 'request', id: one.example_request_id })}
                        >
                          {visibleLine(one.example) || 'the request'}
                        </a>
                      )}
                    </div>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
};
