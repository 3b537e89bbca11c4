// Settings of webhooks (section `webhook`).
import { duration, int, secrets, section, text, wordList, type Settings } from '../../core/settings.ts';
import { isNetwork } from './address-policy.ts';

export const webhookOptions = section({
  secrets: secrets({
    minLength: 16,
    max: 4,
    doc: 'Secrets that sign webhooks, newest first. To rotate, put the new secret first and remove the old one a day later.',
  }),
  allow_networks: wordList({
    default: [],
    pattern: { test: isNetwork },
    like: 'networks such as 10.0.0.0/8, or localhost',
    doc: 'Private networks that webhooks may be sent to. `localhost` allows this machine, over http too.',
  }),
  timeout: duration({
    default: 10_000,
    min: 100,
    max: 300_000,
    doc: 'Maximum time of one attempt to deliver a webhook.',
  }),
  concurrency: int({
    default: 16,
    min: 1,
    max: 1024,
    doc: 'Maximum concurrent deliveries. One receiver gets at most three quarters of them, and an eighth after a failure.',
  }),
  ca_file: text({
    default: '',
    doc: 'PEM file with certificate authorities that are trusted for webhooks, in addition to the public ones.',
  }),
});
export type WebhookOptions = Settings<typeof webhookOptions>;
