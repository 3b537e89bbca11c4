// What is recorded of a request beside its times: tokens and cost, metadata, attributes. A click filters Logs by a value.
// Invariant: the prices are those that weir used, or a word says that they are not.
import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { RequestJson, ShownUsage } from '../../../src/control/admin/records/request-json.ts';
import { count, grouped, text, visibleLine } from '../../formats.ts';
import { Button } from '../../parts/basics.tsx';
import { JsonTree } from '../../parts/json-tree.tsx';
import { addressOf } from '../../routes.ts';
import { goTo } from '../../state.ts';
import { costText } from './facts.tsx';
import { queryTerm } from './query-term.ts';
import { SideSection } from './side-parts.tsx';

const Row = ({
  name,
  children,
}: {
  readonly name: string;
  readonly children: ComponentChildren;
}): JSX.Element => (
  <div>
    <dt class="el">{name}</dt>
    <dd>{children}</dd>
  </div>
);

/** The prices that the cost was computed with, by what they are for; without a cost none. */
function pricesOf(
  { cost, prices }: Pick<ShownUsage, 'cost' | 'prices'>,
  attributes: Readonly<Record<string, unknown>>,
): readonly (readonly [string, number])[] {
  if (cost === null) return [];
  const used = (['input', 'cached', 'output', 'reasoning'] as const).map((name) => {
    const stored = attributes[`price_${name}`];
    const now = prices?.is_same === true ? prices[name] : undefined;
    return [name, typeof stored === 'number' ? stored : now] as const;
  });
  // A price that is that of its kind says nothing.
  const same = new Map(used);
  return used.flatMap(([name, price]) =>
    price === undefined ||
    (name === 'cached' && price === same.get('input')) ||
    (name === 'reasoning' && price === same.get('output'))
      ? []
      : [[name, price] as const],
  );
}

export const Tokens = ({
  usage,
  attributes = {},
}: {
  readonly usage: ShownUsage;
  readonly attributes: RequestJson['log']['attributes'];
}): JSX.Element => {
  const { currency } = usage;
  const prices = pricesOf(usage, attributes);
  const unit = currency === null || currency === 'USD' ? '$' : currency;
  const shown = (n: number | undefined): string => text(count(n));
  return (
    <SideSection title="Tokens and cost">
      <dl class="kv num">
        <Row name="Model">
          <span class="mono">{visibleLine(usage.model ?? '–')}</span>
          {usage.response_model !== undefined && (
            <span class="dim"> answered {visibleLine(usage.response_model)}</span>
          )}
        </Row>
        <Row name="In">
          {shown(usage.input_tokens)}
          {usage.cached_tokens !== undefined && (
            <span class="dim"> of these {shown(usage.cached_tokens)} cached</span>
          )}
        </Row>
        <Row name="Out">
          {shown(usage.output_tokens)}
          {usage.reasoning_tokens !== undefined && (
            <span class="dim"> of these {shown(usage.reasoning_tokens)} reasoning</span>
          )}
          {usage.finish_reason !== undefined && <span class="dim"> {visibleLine(usage.finish_reason)}</span>}
        </Row>
        <Row name="Out a second">
          {usage.tokens_per_second === undefined ? '–' : usage.tokens_per_second.toFixed(1)}
        </Row>
        <Row name="Cost">
          <b class="strong">{costText(usage.cost, currency)}</b>
        </Row>
      </dl>
      <p class="hint num">
        {prices.length > 0 ? (
          <>{prices.map(([name, price]) => `${unit} ${price} ${name}`).join(', ')} per million tokens</>
        ) : (
          <>
            There is no price for this model.{' '}
            <a href={addressOf({ page: 'settings', section: 'prices', id: undefined })}>Prices</a>
          </>
        )}
      </p>
    </SideSection>
  );
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type Scalar = string | number | boolean;
const isScalar = (value: unknown): value is Scalar =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

/** The address of the records with a value. */
const filterAddress = (path: string, value: Scalar): string =>
  addressOf({ page: 'logs' }, { q: queryTerm(path, value) });

const LONG = 300;

/** Members of an object, of which the scalar ones filter Logs. */
const Members = ({
  of,
  prefix,
}: {
  readonly of: Readonly<Record<string, unknown>>;
  readonly prefix: string;
}): JSX.Element => {
  const entries = Object.entries(of);
  const scalars = entries.filter((one): one is [string, Scalar] => isScalar(one[1]));
  const others = entries.filter(([, value]) => !isScalar(value) && value !== null);
  return (
    <>
      <dl class="kv">
        {scalars.map(([name, value]) => (
          <Row key={name} name={visibleLine(name)}>
            <a class="mono" href={filterAddress(prefix + name, value)} title={`Records with this ${name}`}>
              {shownScalar(value)}
            </a>
          </Row>
        ))}
      </dl>
      {others.length > 0 && (
        <JsonTree
          label="Further values"
          open={1}
          value={Object.fromEntries(others)}
          onFilter={(path, value) => goTo({ page: 'logs' }, { q: queryTerm(prefix + path, value) })}
        />
      )}
    </>
  );
};

const shownScalar = (value: Scalar): string =>
  typeof value === 'number' && Number.isInteger(value) && Math.abs(value) >= 10_000
    ? grouped(value)
    : visibleLine(String(value).slice(0, LONG)) + (String(value).length > LONG ? '…' : '');

/** Metadata that the client sent, or that was attached later. */
function metadataOf({ log }: Pick<RequestJson, 'log'>): Readonly<Record<string, unknown>> {
  const { metadata, annotations } = log.attributes ?? {};
  const later = isObject(annotations) ? annotations['metadata'] : undefined;
  return { ...(isObject(metadata) ? metadata : {}), ...(isObject(later) ? later : {}) };
}

export const Metadata = ({ details }: { readonly details: RequestJson }): JSX.Element | null => {
  const metadata = metadataOf(details);
  if (Object.keys(metadata).length === 0) return null;
  return (
    <SideSection title="Metadata" side={<span class="dim normal">click filters by it</span>}>
      <Members of={metadata} prefix="metadata." />
    </SideSection>
  );
};

/** Attributes that have a place of their own on the page. */
const ELSEWHERE: ReadonlySet<string> = new Set(['metadata', 'annotations']);
const SHOWN_AT_ONCE = 12;

export const Attributes = ({ log }: Pick<RequestJson, 'log'>): JSX.Element => {
  const [isAll, setAll] = useState(false);
  const own = {
    ...(log.deployment === undefined ? {} : { deployment: log.deployment }),
    ...(log.environment === undefined ? {} : { environment: log.environment }),
    ...(log.pod === undefined ? {} : { pod: log.pod }),
    ...log.attributes,
  };
  const entries = Object.entries(own).filter(([name]) => !ELSEWHERE.has(name));
  const shown = isAll ? entries : entries.slice(0, SHOWN_AT_ONCE);
  return (
    <SideSection title="Attributes" side={<span class="dim normal num">{entries.length}</span>}>
      <Members of={Object.fromEntries(shown)} prefix="" />
      {entries.length > shown.length && (
        <Button kind="quiet" isSmall onClick={() => setAll(true)}>
          {entries.length - shown.length} more
        </Button>
      )}
    </SideSection>
  );
};
