// Settings of webhooks, as they are given and as they are shown.
import { expect, it } from 'vitest';
import { explain, load, needRestart } from '../../../src/config/config.ts';

const [NEW, OLD] = ['whsec_new_0123456789', 'whsec_old_0123456789'];
const loaded = (env: Record<string, string>) => load(['--replica', 'http://127.0.0.1:8000'], env);

it('several secrets are active, newest first, and are never shown', () => {
  const result = loaded({ WEIR_WEBHOOK_SECRETS: `${NEW},${OLD}` });
  if (!result.ok) throw new Error(result.problems.join());
  expect(result.config.webhook.secrets).toEqual([NEW, OLD]);
  const shown = explain(result.config, result.given);
  expect(shown).toContainEqual({ key: 'webhook.secrets', value: '***', origin: 'WEIR_WEBHOOK_SECRETS' });
  expect(JSON.stringify(shown)).not.toContain('whsec');
});

it('a secret that was changed is said to need a restart', () => {
  const [before, after] = [
    loaded({ WEIR_WEBHOOK_SECRETS: OLD }),
    loaded({ WEIR_WEBHOOK_SECRETS: `${NEW},${OLD}` }),
  ];
  if (!before.ok || !after.ok) throw new Error('the settings are good');
  expect(needRestart(before.config, after.config)).toEqual(['webhook.secrets']);
  expect(needRestart(after.config, after.config)).toEqual([]);
});

it('no secret is shown as none', () => {
  const result = loaded({});
  if (!result.ok) throw new Error(result.problems.join());
  expect(explain(result.config, result.given)).toContainEqual({
    key: 'webhook.secrets',
    value: '',
    origin: 'default',
  });
});

it('a short secret is refused, and not repeated', () => {
  expect(loaded({ WEIR_WEBHOOK_SECRETS: `${NEW},short` })).toEqual({
    ok: false,
    problems: ['WEIR_WEBHOOK_SECRETS: webhook.secrets must be up to 4 texts of at least 16 characters each'],
  });
});

it('what is no network is refused', () => {
  expect(loaded({ WEIR_WEBHOOK_ALLOW_NETWORKS: 'localhost,10.0.0.1' })).toMatchObject({
    problems: [expect.stringContaining('must be a list of networks such as 10.0.0.0/8, or localhost')],
  });
});
