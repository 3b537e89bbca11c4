// Families of clients by the names of their keys: requests, refusals, tokens, cost.
// Invariant: the label `key` has at most 102 values: the first hundred names, `other` for all later ones, and empty for
// requests without a valid key.
import type { KeyTotals } from '../../../core/keys/key-uses.ts';
import type { KeyUse } from '../../../core/keys/key-use.ts';
import type { Family } from '../family.ts';

const sum = ({ uses }: KeyTotals, read: (use: KeyUse) => number): number =>
  uses.reduce((total, use) => total + read(use), 0);

const perKey = (
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  read: (use: KeyUse) => number,
): Family => ({
  name,
  type,
  help,
  labels: ['key'],
  samples: ({ clients }) =>
    clients.totals().map((one) => ({ labels: { key: one.key }, value: sum(one, read) })),
});

export const clientKeyFamilies: readonly Family[] = [
  perKey(
    'counter',
    'weir_client_requests_total',
    'Requests with a valid key of a client, refused ones included.',
    ({ requests }) => requests,
  ),
  {
    name: 'weir_client_refusals_total',
    type: 'counter',
    help: 'Requests that were refused because of their key, by reason. key is empty if the request has no valid key: missing, unknown or expired.',
    labels: ['key', 'reason'],
    samples: ({ clients }) =>
      [...clients.totals(), { key: '', uses: [clients.unknown] }].flatMap((one) => {
        const reasons = new Set(one.uses.flatMap(({ refused }) => Array.from(refused.keys())));
        return Array.from(reasons, (reason) => ({
          labels: { key: one.key, reason },
          value: sum(one, ({ refused }) => refused.get(reason) ?? 0),
        }));
      }),
  },
  perKey(
    'gauge',
    'weir_client_running',
    'Requests of the client that run or wait.',
    ({ running }) => running,
  ),
  perKey(
    'counter',
    'weir_client_tokens_total',
    'Input and output tokens of the client, as its limit counts them.',
    ({ tokens }) => tokens,
  ),
  perKey(
    'counter',
    'weir_client_cost_total',
    'Cost of the client by the price table, in units of its currency.',
    ({ cost }) => cost,
  ),
];
