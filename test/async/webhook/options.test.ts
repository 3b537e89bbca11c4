// Tests of the settings of webhooks.
import { expect, it } from 'vitest';
import { explain, load, needRestart } from '../../../src/config/config.ts';

const [NEW, OLD] = ['whsec_new_0123456789', 'whsec_old_0123456789'];
const loaded = (env: Record<string, string>) => load(['--replica', 'http://127.0.0.1:8000'], env);

it('accepts several secrets, newest first, and never shows them', () => {
  const result = loaded({ WEIR_WEBHOOK_SECRETS: `${NEW},${OLD}` });
  if (!result.ok) throw new Error(result.problems.join());
  expect(result.config.webhook.secrets).toEqual([NEW, OLD]);
  const shown = explain(result.config, result.given);
  expect(shown).toContainEqual(
    expect.objectContaining({ key: 'webhook.secrets', value: '***', origin: 'WEIR_WEBHOOK_SECRETS' }),
  );
  expect(JSON.stringify(shown)).not.toContain('whsec');
});

it('reports that a changed secret needs a restart', () => {
  const [before, after] = [
    loaded({ WEIR_WEBHOOK_SECRETS: OLD }),
    loaded({ WEIR_WEBHOOK_SECRETS: `${NEW},${OLD}` }),
  ];
  if (!before.ok || !after.ok) throw new Error('the settings are good');
  expect(needRestart(before.config, after.config)).toEqual(['webhook.secrets']);
  expect(needRestart(after.config, after.config)).toEqual([]);
});

it('shows a missing secret as empty', () => {
  const result = loaded({});
  if (!result.ok) throw new Error(result.problems.join());
  expect(explain(result.config, result.given)).toContainEqual(
    expect.objectContaining({
      key: 'webhook.secrets',
      value: '',
      origin: 'default',
    }),
  );
});

it('rejects a short secret without repeating it', () => {
  expect(loaded({ WEIR_WEBHOOK_SECRETS: `${NEW},short` })).toEqual({
    ok: false,
    problems: ['WEIR_WEBHOOK_SECRETS: webhook.secrets must be up to 4 texts of at least 16 characters each'],
  });
});

it('rejects an address that is not a network', () => {
  expect(loaded({ WEIR_WEBHOOK_ALLOW_NETWORKS: 'localhost,10.0.0.1' })).toMatchObject({
    problems: [expect.stringContaining('must be a list of networks such as 10.0.0.0/8, or localhost')],
  });
});
