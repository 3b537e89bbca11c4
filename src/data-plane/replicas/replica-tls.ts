// TLS of connections to replicas: the accepted certificate authorities and the expected host name.
// Invariant: a certificate is always verified, whatever Node's environment variables say, and against a name from the
// configuration, never one from a client.
import { isIP } from 'node:net';
import type { SecureContext } from 'node:tls';
import { readAuthorities } from '../../core/certificates.ts';
import { nodeTls } from '../../core/node-tls.ts';
import type { DeploymentOptions } from './options.ts';
import { speaksTls, type ReplicaUrl } from './replica-url.ts';

/** Options of `tls.connect` for a connection to a replica. */
export interface ReplicaTls {
  /** Empty for an IP address, which SNI does not allow (RFC 6066 3): the certificate must then contain the address. */
  readonly servername: string;
  readonly rejectUnauthorized: true;
  readonly minVersion: 'TLSv1.2';
  /** `undefined` means the public authorities and those of NODE_EXTRA_CA_CERTS. */
  readonly secureContext: SecureContext | undefined;
}

/** The certificate authorities that a deployment accepts. */
export interface ReplicaTrust {
  /** Their certificates; empty means the public authorities. */
  readonly pem: string;
  readonly context: SecureContext | undefined;
}

/** Reads the certificate authorities of a deployment, or says why they cannot be read. */
export function trustOf({ id, tls_ca }: DeploymentOptions): ReplicaTrust | { readonly problem: string } {
  if (tls_ca === '') return trustIn('');
  const read = readAuthorities(tls_ca);
  return 'problem' in read ? { problem: `deployment ${id}: tls_ca ${read.problem}` } : trustIn(read.pem);
}

/** Makes the trust of certificate authorities that were read before. */
export const trustIn = (pem: string): ReplicaTrust => ({
  pem,
  context: pem === '' ? undefined : nodeTls().createSecureContext({ ca: pem, minVersion: 'TLSv1.2' }),
});

/** The TLS options for a replica; `undefined` for one in clear text. */
export function tlsFor(
  url: ReplicaUrl,
  { tls_server_name }: Pick<DeploymentOptions, 'tls_server_name'>,
  { context }: ReplicaTrust,
): ReplicaTls | undefined {
  if (!speaksTls(url)) return undefined;
  return {
    servername: tls_server_name || (isIP(url.name) === 0 ? url.name : ''),
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    secureContext: context,
  };
}
