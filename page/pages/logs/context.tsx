// The panel beside the list: what was written around a record, without the query.
// Invariant: the chosen line does not move when more lines come above it.
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { useAnswer } from '../../api/use-answer.ts';
import { clock, visible } from '../../formats.ts';
import { Button, Copy, Segments } from '../../parts/basics.tsx';
import { Failed, Loading } from '../../parts/panel.tsx';
import { print } from '../../routes.ts';
import { params, setParams, zone } from '../../state.ts';
import { columnsOf, rowAsText } from './columns.ts';
import { gravityOf, msOf, rowText, type LogJson } from './record.ts';

interface ContextJson {
  readonly before: readonly LogJson[];
  readonly log: LogJson;
  readonly after: readonly LogJson[];
}

const MORE = 20;
/** What the API gives at most on each side. */
const MOST = 500;

const textOf = (record: LogJson): string => {
  if (record.kind !== 'request') return record.message;
  const { main, sub } = rowText(record);
  return `${main} ${record.status ?? ''}  ${sub}`.trim();
};

export const ContextPanel = ({ seq }: { readonly seq: number }): JSX.Element => {
  const [scope, setScope] = useState<'same' | 'all'>('same');
  const [around, setAround] = useState({ before: MORE, after: MORE });
  useEffect(() => setAround({ before: MORE, after: MORE }), [seq, scope]);
  const live = useAnswer<ContextJson>({ path: `/v1/logs/${seq}/context`, query: { ...around, scope } });
  const { value, error } = live.asked.value;
  const scroller = useRef<HTMLDivElement>(null);
  const own = useRef<HTMLDivElement>(null);
  /** Distance of the chosen line from the upper edge of the panel, and whose it is. */
  const stood = useRef<{ readonly seq: number; readonly top: number } | undefined>(undefined);
  useLayoutEffect(() => {
    const [box, line] = [scroller.current, own.current];
    if (box === null || line === null || value === undefined) return;
    const before = stood.current;
    if (before?.seq === value.log.seq) box.scrollTop = line.offsetTop - before.top;
    else box.scrollTop = line.offsetTop - box.clientHeight / 3;
    stood.current = { seq: value.log.seq, top: line.offsetTop - box.scrollTop };
  }, [value]);
  const close = (): void => setParams({ ctx: undefined });
  const lines = value === undefined ? [] : [...value.before, value.log, ...value.after];
  const log = value?.log;
  return (
    <aside class="ctx" aria-label="Context">
      <div class="ph">
        <h2>In context</h2>
        <span class="sub el">
          {log === undefined
            ? ''
            : scope === 'all'
              ? 'all records, no filter'
              : [log.replica ?? 'no replica', log.source, 'no filter']
                  .filter((one) => one !== undefined)
                  .join(', ')}
        </span>
        <span class="grow" />
        <Button kind="bare" icon="close" label="Close the context (Esc)" onClick={close} />
      </div>
      <div class="ctxbar">
        <Segments
          label="Records of"
          isSmall
          value={scope}
          options={[
            ['same', 'This replica'],
            ['all', 'All'],
          ]}
          onChoose={setScope}
        />
        <span class="grow" />
        <Button
          kind="quiet"
          isSmall
          icon="up"
          off={
            value !== undefined && value.before.length < around.before ? 'Nothing earlier is kept' : undefined
          }
          onClick={() => setAround({ ...around, before: Math.min(MOST, around.before + MORE) })}
        >
          {MORE} earlier
        </Button>
      </div>
      <Loading of={live} words="Reading the records around it…" />
      {error !== undefined && value === undefined && (
        <Failed
          error={error}
          onAgain={live.again}
          help={
            error.status === 404 && (
              <p>The record may have been deleted: records are kept for a limited time.</p>
            )
          }
        />
      )}
      <div
        class="ctxlines"
        ref={scroller}
        tabIndex={0}
        role="region"
        aria-label="Records around it"
        onScroll={() => {
          if (own.current && scroller.current && value !== undefined)
            stood.current = { seq: value.log.seq, top: own.current.offsetTop - scroller.current.scrollTop };
        }}
      >
        {lines.map((record) => {
          const isOwn = record === log;
          const gravity = gravityOf(record);
          return (
            <div
              key={record.seq}
              {...(isOwn && { ref: own })}
              class={`cx ${gravity}${isOwn ? ' me' : ''}`}
              aria-current={isOwn ? 'true' : undefined}
            >
              <span class="b" />
              <span class="t">{clock(msOf(record), zone.value)}</span>
              <span class="m">{visible(textOf(record))}</span>
            </div>
          );
        })}
      </div>
      <div class="ctxbar ctxfoot">
        <Button
          kind="quiet"
          isSmall
          icon="down"
          off={
            value !== undefined && value.after.length < around.after
              ? 'Nothing later is recorded yet'
              : undefined
          }
          onClick={() => setAround({ ...around, after: Math.min(MOST, around.after + MORE) })}
        >
          {MORE} later
        </Button>
        <span class="grow" />
        <Copy
          kind="plain"
          isSmall
          icon="link"
          label="Copy a link to this line"
          text={() =>
            location.origin +
            print({ route: { page: 'logs' }, params: { ...params.peek(), ctx: String(seq) } })
          }
        >
          Link to this line
        </Copy>
        <Copy
          kind="plain"
          isSmall
          label="Copy these lines"
          text={() =>
            lines
              .map(
                (record) =>
                  rowAsText(record, columnsOf('time,level,replica'), {
                    zone: zone.peek(),
                    nowMs: Date.now(),
                  }) + `  ${textOf(record)}`,
              )
              .join('\n')
          }
        >
          Copy {lines.length} lines
        </Copy>
      </div>
    </aside>
  );
};
