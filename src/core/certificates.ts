// Reads certificates and keys from PEM files, and says in words what is wrong with them.
// Must stay true: no line of a file is ever repeated, in an error least of all: it may be a private key.
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { describe } from './errors.ts';

/** A certificate with its chain, and the key that belongs to it, as PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
  /** The names it is made out to, such as `DNS:example.org, IP Address:127.0.0.1`. */
  readonly names: string;
  /** Date.now() when it ends. */
  readonly validToMs: number;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
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

/** All certificates of a text, in order; at least one. */
function chainIn(text: string): Chain {
  const blocks = text.match(CERTIFICATE) ?? [];
  if (blocks.length === 0)
    return {
      problem: PRIVATE_KEY.test(text)
        ? 'holds a private key and no certificate'
        : 'is not PEM: a certificate begins with -----BEGIN CERTIFICATE-----',
    };
  const chain: X509Certificate[] = [];
  for (const block of blocks)
    try {
      chain.push(new X509Certificate(block));
    } catch {
      return { problem: `has a certificate that cannot be read: number ${chain.length + 1} of it` };
    }
  return { chain };
}

type Key = { readonly key: KeyObject } | { readonly problem: string };

function keyIn(text: string): Key {
  if (!PRIVATE_KEY.test(text))
    return {
      problem: text.includes('-----BEGIN CERTIFICATE-----')
        ? 'holds a certificate and no private key'
        : 'is not PEM: a private key begins with -----BEGIN PRIVATE KEY-----, or EC or RSA before PRIVATE',
    };
  if (/ENCRYPTED/.test(text)) return { problem: 'is encrypted: a key without a passphrase is needed' };
  try {
    return { key: createPrivateKey(text) };
  } catch {
    return { problem: 'holds a private key that cannot be read' };
  }
}

/**
 * Reads a server's certificate (its own first, then those between it and its authority) and its private key. Problems
 * are ends of sentences that begin with `cert` or `key`.
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
  if (at === -1) problems.push(`key (${keyFile}) does not belong to the certificate of cert (${certFile})`);
  else if (at > 0)
    problems.push(
      `cert (${certFile}) has the server’s own certificate as number ${at + 1}: it must be the first`,
    );
  else
    try {
      createSecureContext({ cert: cert.text, key: key.text });
    } catch (error) {
      // What the library itself refuses: a key that is too short, for one.
      const reason = (error as { reason?: string }).reason ?? (error as NodeJS.ErrnoException).code;
      problems.push(`cert (${certFile}) cannot be served: ${reason ?? 'it is not accepted'}`);
    }
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    pair: {
      cert: cert.text,
      key: key.text,
      names: own.subjectAltName ?? own.subject,
      validToMs: Date.parse(own.validTo),
    },
  };
}

/** Reads certificates of authorities; the problem is the end of a sentence that begins with the setting. */
export function readAuthorities(file: string): { readonly pem: string } | { readonly problem: string } {
  const read = readText(file);
  const chain: Chain = 'text' in read ? chainIn(read.text) : read;
  if ('problem' in chain) return { problem: `(${file}) ${chain.problem}` };
  return { pem: chain.chain.map((one) => one.toString()).join('') };
}
