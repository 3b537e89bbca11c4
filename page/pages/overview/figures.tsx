// The seven figures of the overview, each with a chart of the last hour and a link to Monitor.
import type { JSX } from 'preact';
import type { OverviewJson } from '../../../src/control/admin/overview/overview-json.ts';
import { Num } from '../../parts/basics.tsx';
import { Spark } from '../../parts/spark.tsx';
import { carried } from '../../commands.ts';
import { addressOf } from '../../routes.ts';
import { figuresOf, type FigureFacts } from './figure-facts.ts';

const Figure = ({ of }: { readonly of: FigureFacts }): JSX.Element => (
  <a class="kpi" href={addressOf({ page: 'monitor' }, { ...carried(), since: '1h', chart: of.chart })}>
    <span class="h">{of.label}</span>
    <span class={`v ${of.tone === 'err' ? 'err' : ''}`}>
      <Num figure={of.value} />
    </span>
    <span class="p" title={[of.sub, of.change].filter((one) => one !== '').join(', ')}>
      {of.sub}
      {of.change !== '' && (
        <span class={of.tone === 'plain' ? 'dim' : of.tone}>
          {of.tone === 'plain' ? ' · ' : ' ▲ '}
          {of.change}
        </span>
      )}
    </span>
    <Spark points={of.points} color={of.color} max={of.max} />
  </a>
);

export const Figures = ({ overview }: { readonly overview: OverviewJson }): JSX.Element => (
  <section class="kpis full" aria-label="Figures of the last minute, with charts of the last hour">
    {figuresOf(overview).map((one) => (
      <Figure key={one.label} of={one} />
    ))}
  </section>
);
