// Whose certificates are accepted of replicas, and for which name.
// Must stay true: a certificate is always verified, whatever variables of Node's say; and the name it must have is the
// configuration's, never one that a client sent.
import { isIP } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import { readAuthorities } from '../../core/certificates.ts';
import { speaksTls, type DeploymentOptions, type ReplicaUrl } from './options.ts';

/** What a connection over TLS to a replica is made with: options of `tls.connect`. */
export interface ReplicaTls {
  /** Empty for an address, which is no name to ask for (RFC 6066 3): the certificate must then have the address. */
  readonly servername: string;
  readonly rejectUnauthorized: true;
  readonly minVersion: 'TLSv1.2';
  /** `undefined`: the public authorities, and those of NODE_EXTRA_CA_CERTS. */
  readonly secureContext: SecureContext | undefined;
}

/** The authorities of a deployment. */
export interface ReplicaTrust {
  readonly context: SecureContext | undefined;
}

/** Reads the authorities that a deployment's replicas may have, or says why they cannot be had. */
export function trustOf({ id, tls_ca }: DeploymentOptions): ReplicaTrust | { readonly problem: string } {
  if (tls_ca === '') return { context: undefined };
  const read = readAuthorities(tls_ca);
  if ('problem' in read) return { problem: `deployment ${id}: tls_ca ${read.problem}` };
  return { context: createSecureContext({ ca: read.pem, minVersion: 'TLSv1.2' }) };
}

/** How a replica is spoken to over TLS; `undefined` for one in clear text. */
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
