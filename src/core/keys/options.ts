// Settings of the keys of clients (section `client_keys`).
import { flag, section, text, wordList } from '../settings.ts';

export const clientKeysOptions = section({
  required: flag({
    default: false,
    doc: 'Serve only requests with a key that has a scope of the data server (Authorization: Bearer … or Api-Key …).',
  }),
  file: text({
    default: '',
    doc: 'JSON file with digests of keys of clients, besides those of the admin API. Read again when it changes.',
  }),
  pass_on: flag({
    default: false,
    doc: 'Pass the header with the key on to the replica. If false, it is removed where keys are required.',
  }),
  open_paths: wordList({
    default: ['/health', '/grpc.health.v1.Health/Check'],
    pattern: /^\/[!-~]*$/,
    like: 'paths that begin with /',
    doc: 'Paths that need no key, for health probes. GET and HEAD over HTTP, and gRPC calls; a WebSocket needs a key.',
  }),
});
