// Settings of request ids.
import { flag, section } from '../settings.ts';

export const identityOptions = section({
  trust_inbound: flag({
    default: false,
    doc: 'Keep an X-Baseten-Request-Id that the client sends, if it is well formed. Only safe behind a gateway of your own.',
  }),
});
