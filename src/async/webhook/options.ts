// Settings of webhooks: how they are signed, where they may go, how long they may take.
import { duration, int, secrets, section, text, wordList, type Settings } from '../../core/settings.ts';
import { isNetwork } from './address-policy.ts';

export const webhookOptions = section({
  secrets: secrets({
    minLength: 16,
    max: 4,
    doc: 'What webhooks are signed with, newest first. To change it, put the new one first and remove the old one a day later.',
  }),
  allow_networks: wordList({
    default: [],
    pattern: { test: isNetwork },
    like: 'networks such as 10.0.0.0/8, or localhost',
    doc: 'Networks that webhooks may be sent to although they are not public; `localhost`: this machine, over http too.',
  }),
  timeout: duration({
    default: 10_000,
    min: 100,
    max: 300_000,
    doc: 'How long one attempt to deliver a webhook may take in all.',
  }),
  concurrency: int({
    default: 16,
    min: 1,
    max: 1024,
    doc: 'Webhooks that are delivered at once; to one receiver three quarters of them, an eighth once it fails.',
  }),
  ca_file: text({
    default: '',
    doc: 'PEM file with certificate authorities that receivers of webhooks may have, besides the public ones.',
  }),
});
export type WebhookOptions = Settings<typeof webhookOptions>;
