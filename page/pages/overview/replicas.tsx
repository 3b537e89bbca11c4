// The replicas of all deployments, worst first, with a drain in place.
// Invariant: the table has the same columns and heights while a row asks, so nothing moves.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { OverviewJson, OverviewReplica } from '../../../src/control/admin/overview/overview-json.ts';
import { duration, grouped, memory, msOfNs, NONE, text } from '../../formats.ts';
import { missing } from '../../me.ts';
import { Button, Meter, Num, State } from '../../parts/basics.tsx';
import { Panel } from '../../parts/panel.tsx';
import { addressOf } from '../../routes.ts';
import { askedDrain, drain, nameOf, resume } from './drain.ts';
import {
  deploymentText,
  gpuSum,
  replicaGroups,
  STATE_SHAPES,
  stateCounts,
  whyOf,
  type ReplicaGroup,
} from './replica-facts.ts';

/** More replicas than this are counted in the head. */
const MANY = 12;
const COLUMNS = 11;
const MIB = 2 ** 20;

const None = (): JSX.Element => <Num figure={NONE} />;

/** A value, what it is of, and a bar. */
const Of = ({
  value,
  of,
  part,
  isFull,
}: {
  readonly value: ComponentChildren;
  readonly of: ComponentChildren;
  readonly part: number | null;
  readonly isFull: boolean;
}): JSX.Element => (
  <span class="of">
    <span class="num">{value}</span> <span class="u">{of}</span>
    {part !== null && <Meter part={part} tone={isFull ? 'warn' : 'plain'} />}
  </span>
);

const InFlight = ({
  replica: { state, outstanding, target },
}: {
  readonly replica: OverviewReplica;
}): JSX.Element => {
  if (outstanding === 0 && (state === 'down' || state === 'starting')) return <None />;
  if (target === null) return <span class="num">{grouped(outstanding)}</span>;
  return (
    <Of
      value={grouped(outstanding)}
      of={`of ${grouped(target)}`}
      part={target === 0 ? null : outstanding / target}
      isFull={outstanding >= target}
    />
  );
};

const GpuCells = ({ replica }: { readonly replica: OverviewReplica }): JSX.Element => {
  const { utilization, usedMib, totalMib, each } = gpuSum(replica.gpus);
  const used = usedMib === null ? NONE : memory(usedMib * MIB);
  const total = totalMib === null ? NONE : memory(totalMib * MIB);
  return (
    <>
      <td class="n mh" title={each}>
        {utilization === null ? (
          <None />
        ) : (
          <Of value={utilization} of="%" part={utilization / 100} isFull={false} />
        )}
      </td>
      <td class="n mh" title={each}>
        {used === NONE ? (
          <None />
        ) : (
          <Of
            value={used.text}
            of={
              total === NONE
                ? used.unit
                : `${used.unit === total.unit ? '' : `${used.unit} `}of ${total.text.replace(/\.0$/, '')} ${total.unit}`
            }
            part={totalMib === null ? null : usedMib! / totalMib}
            isFull={totalMib !== null && usedMib! > 0.95 * totalMib}
          />
        )}
      </td>
    </>
  );
};

/** Asks before a drain, in place of the last cells. */
const Ask = ({
  replica,
  onDone,
}: {
  readonly replica: OverviewReplica;
  readonly onDone: () => void;
}): JSX.Element => {
  const cell = useRef<HTMLTableCellElement>(null);
  const { outstanding: n } = replica;
  const close = (): void => void (askedDrain.value = undefined);
  useEffect(() => cell.current?.querySelector('button')?.focus(), []);
  return (
    <td
      colSpan={3}
      class="ask"
      ref={cell}
      onKeyDown={(event) => {
        if (event.key === 'Escape') close();
      }}
    >
      <span class="row">
        <span class="grow el" role="alert">
          {n === 0
            ? 'No request runs on it.'
            : `${grouped(n)} ${n === 1 ? 'request runs' : 'requests run'} on it; it gets no more.`}
        </span>
        <Button isSmall kind="danger" onClick={() => void drain(replica, n, onDone)}>
          Drain
        </Button>
        <Button isSmall kind="quiet" onClick={close}>
          Cancel
        </Button>
      </span>
    </td>
  );
};

const Action = ({
  replica,
  onDone,
}: {
  readonly replica: OverviewReplica;
  readonly onDone: () => void;
}): JSX.Element => {
  const off = missing('admin');
  if (replica.state === 'draining' && !replica.is_leaving)
    return (
      <Button isSmall label={`Resume ${replica.id}`} off={off} onClick={() => void resume(replica, onDone)}>
        Resume
      </Button>
    );
  if (replica.state === 'ready' && !replica.is_leaving)
    return (
      <Button
        isSmall
        kind="quiet"
        label={`Drain ${replica.id}`}
        off={off}
        onClick={() => (askedDrain.value = nameOf(replica))}
      >
        Drain
      </Button>
    );
  return (
    <a class="btn sm" href={addressOf({ page: 'logs' }, { q: replica.lines_q })}>
      Lines
    </a>
  );
};

const Row = ({
  replica,
  nowMs,
  onDone,
}: {
  readonly replica: OverviewReplica;
  readonly nowMs: number;
  readonly onDone: () => void;
}): JSX.Element => {
  const { id, state, since_ns: since, ttft_p95_ms: ttft, cpu, memory_bytes: bytes, restarts } = replica;
  const why = whyOf(replica, nowMs);
  const isBad = state === 'down' || state === 'ejected';
  const isAsked = askedDrain.value === nameOf(replica);
  return (
    <tr class={isBad ? 'bad' : ''}>
      <td>
        <a
          class="mono"
          href={addressOf({ page: 'logs' }, { q: replica.lines_q })}
          title={replica.url ?? `Lines of ${id}`}
        >
          {id}
        </a>
      </td>
      <td title={`for ${text(duration(nowMs - msOfNs(since)))}`}>
        <State shape={STATE_SHAPES[state]}>{state}</State>
      </td>
      <td class="n">
        <InFlight replica={replica} />
      </td>
      <td class="n mh">
        <Num figure={duration(ttft)} />
      </td>
      <GpuCells replica={replica} />
      <td class="n mh lw">{cpu === null ? <None /> : <span class="num">{cpu.toFixed(1)}</span>}</td>
      <td class="n mh">
        <Num figure={memory(bytes)} />
      </td>
      {isAsked ? (
        <Ask replica={replica} onDone={onDone} />
      ) : (
        <>
          <td class="n mh lw">
            {restarts === null ? <None /> : <span class="num">{grouped(restarts)}</span>}
          </td>
          <td
            class="why"
            title={
              replica.probe === null
                ? why.text
                : `${why.text}; it took ${text(duration(replica.probe.took_ms))}`
            }
          >
            <div class={why.isBad ? 'el err' : 'el'}>{why.text}</div>
          </td>
          <td class="r">
            <Action replica={replica} onDone={onDone} />
          </td>
        </>
      )}
    </tr>
  );
};

const Group = ({
  group,
  hasHead,
  nowMs,
  onDone,
}: {
  readonly group: ReplicaGroup;
  readonly hasHead: boolean;
  readonly nowMs: number;
  readonly onDone: () => void;
}): JSX.Element => {
  const { deployment } = group;
  return (
    <tbody>
      {hasHead && (
        <tr class="grp">
          <th colSpan={COLUMNS} scope="rowgroup">
            {deploymentText(group)}
            {deployment !== undefined && (
              <span class="dim">
                {' '}
                · {deployment.ready} of {deployment.replicas} ready · weight {deployment.traffic_weight}
                {deployment.waiting > 0 && ` · ${grouped(deployment.waiting)} queued`}
              </span>
            )}
          </th>
        </tr>
      )}
      {group.replicas.map((replica) => (
        <Row key={replica.id} replica={replica} nowMs={nowMs} onDone={onDone} />
      ))}
      {group.replicas.length === 0 && (
        <tr>
          <td colSpan={COLUMNS} class="mid">
            This deployment has no replica.
          </td>
        </tr>
      )}
    </tbody>
  );
};

/** `onDone`: the state of a replica was changed. */
export const Replicas = ({
  overview,
  onDone,
}: {
  readonly overview: OverviewJson;
  readonly onDone: () => void;
}): JSX.Element => {
  const { replicas, at_ns: at } = overview;
  const groups = replicaGroups(overview);
  const isOne = groups.length === 1;
  return (
    <Panel
      title="Replicas"
      sub={isOne ? deploymentText(groups[0]!) : undefined}
      side={
        <span class="sub nmob el">
          {replicas.length > MANY
            ? stateCounts(replicas)
            : 'The ready replica with the fewest requests gets the next one'}
        </span>
      }
    >
      <div class="scroll">
        <table class="rt">
          <thead>
            <tr>
              <th>Replica</th>
              <th>State</th>
              <th class="n">In flight</th>
              <th class="n mh">TTFT p95</th>
              <th class="n mh">GPU</th>
              <th class="n mh">GPU memory</th>
              <th class="n mh lw" title="Cores in use">
                CPU
              </th>
              <th class="n mh" title="Working set">
                Memory
              </th>
              <th class="n mh lw">Restarts</th>
              <th>Last probe</th>
              <th>
                <span class="vh">Action</span>
              </th>
            </tr>
          </thead>
          {groups.map((group) => (
            <Group key={group.id} group={group} hasHead={!isOne} nowMs={msOfNs(at)} onDone={onDone} />
          ))}
        </table>
      </div>
    </Panel>
  );
};
