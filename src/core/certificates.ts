// Reads certificates and keys from PEM files and checks them.
// Invariant: no error contains any line of a file, since it may be a private key.
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe } from './errors.ts';
import { nodeTls } from './node-tls.ts';

/** A certificate with its chain and its private key, as PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
  /** The names of the certificate, such as `DNS:example.org, IP Address:127.0.0.1`. */
  readonly names: string;
  /** Expiry of the first certificate in the chain to expire, in milliseconds since 1970. */
  readonly validToMs: number;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const BEGIN = /-----BEGIN CERTIFICATE-----/g;
const PRIVATE_KEY = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/;

type Text = { readonly text: string } | { readonly problem: string };

function readText(file: string): Text {
  try {
    return { text: readFileSync(file, 'utf8') };
  } catch (error) {
    return { problem: `cannot be read: ${describe(error)}` };
  }
}

type Chain = { readonly chain: readonly X509Certificate[] } | { readonly problem: string };

/** All certificates of a text in order, or a problem if there is none. */
function chainIn(text: string): Chain {
  const blocks = text.match(CERTIFICATE) ?? [];
  if (blocks.length === 0)
    return {
      problem: PRIVATE_KEY.test(text)
        ? 'contains a private key but no certificate; give the file of the certificate'
        : 'is not PEM: a certificate begins with -----BEGIN CERTIFICATE-----',
    };
  // Another process may be writing the file.
  if (text.match(BEGIN)!.length > blocks.length)
    return { problem: 'is cut off: a certificate in it has no end' };
  const chain: X509Certificate[] = [];
  for (const block of blocks)
    try {
      chain.push(new X509Certificate(block));
    } catch {
      return { problem: `cannot be parsed: certificate number ${chain.length + 1} in it is invalid` };
    }
  return { chain };
}

type Key = { readonly key: KeyObject } | { readonly problem: string };

function keyIn(text: string): Key {
  if (!PRIVATE_KEY.test(text))
    return {
      problem: text.includes('-----BEGIN CERTIFICATE-----')
        ? 'contains a certificate but no private key; give the file of the key'
        : 'is not PEM: a private key begins with -----BEGIN PRIVATE KEY-----, or EC or RSA before PRIVATE',
    };
  if (/ENCRYPTED/.test(text)) return { problem: 'is encrypted; give a private key without a passphrase' };
  try {
    return { key: createPrivateKey(text) };
  } catch {
    return { problem: 'cannot be parsed: the private key in it is invalid' };
  }
}

/**
 * Reads the certificate of a server, followed in the file by its intermediate certificates, and its private key.
 * Problems begin with `cert` or `key`, so that a caller can put the name of a section in front.
 */
export function readKeyPair(
  certFile: string,
  keyFile: string,
): { readonly ok: true; readonly pair: KeyPair } | { readonly ok: false; readonly problems: string[] } {
  const cert = readText(certFile);
  const key = readText(keyFile);
  const certs: Chain = 'text' in cert ? chainIn(cert.text) : cert;
  const secret: Key = 'text' in key ? keyIn(key.text) : key;
  const problems = [];
  if ('problem' in certs) problems.push(`cert (${certFile}) ${certs.problem}`);
  if ('problem' in secret) problems.push(`key (${keyFile}) ${secret.problem}`);
  if (!('chain' in certs) || !('key' in secret) || !('text' in cert) || !('text' in key))
    return { ok: false, problems };
  const own = certs.chain[0]!;
  const at = certs.chain.findIndex((one) => one.checkPrivateKey(secret.key));
  if (at === -1)
    problems.push(
      `key (${keyFile}) does not match the certificate in cert (${certFile}); give the key that it was issued for`,
    );
  else if (at > 0)
    problems.push(
      `cert (${certFile}) has the certificate of the server at position ${at + 1}; it must be the first`,
    );
  else
    try {
      nodeTls().createSecureContext({ cert: cert.text, key: key.text });
    } catch (error) {
      // Refused by OpenSSL, for example since the key is too short.
      const reason = (error as { reason?: string }).reason ?? (error as NodeJS.ErrnoException).code;
      problems.push(`cert (${certFile}) cannot be used: ${reason ?? 'OpenSSL refuses it'}`);
    }
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    pair: {
      cert: cert.text,
      key: key.text,
      names: own.subjectAltName ?? own.subject,
      validToMs: Math.min(...certs.chain.map(({ validTo }) => Date.parse(validTo))),
    },
  };
}

/** Reads CA certificates. A caller puts the name of the setting in front of the problem. */
export function readAuthorities(file: string): { readonly pem: string } | { readonly problem: string } {
  const read = readText(file);
  const chain: Chain = 'text' in read ? chainIn(read.text) : read;
  if ('problem' in chain) return { problem: `(${file}) ${chain.problem}` };
  return { pem: chain.chain.map((one) => one.toString()).join('') };
}
