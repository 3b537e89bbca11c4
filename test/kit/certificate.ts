// Certificates for tests, made by openssl: an authority and certificates that it signs.
// Invariant: they lie in folders that are removed after the test.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { folder } from './folder.ts';

/** A certificate and its key, as files and as text. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/**
 * Makes a certificate in the folder `at` for `names` (such as `DNS:localhost,IP:127.0.0.1`), signed by `by`. Without
 * `by` it is self-signed.
 */
export function certificate(at: string, name: string, names = '', by?: Certificate): Certificate {
  const certFile = join(at, `${name}.pem`);
  const keyFile = join(at, `${name}-key.pem`);
  const args = ['req', '-x509', ...CURVE, '-days', '30', '-subj', `/CN=${name}`];
  args.push('-keyout', keyFile, '-out', certFile);
  if (names !== '') args.push('-addext', `subjectAltName=${names}`);
  if (by) args.push('-CA', by.certFile, '-CAkey', by.keyFile);
  execFileSync('openssl', args, { stdio: 'pipe' });
  return {
    certFile,
    keyFile,
    cert: readFileSync(certFile, 'utf8'),
    key: readFileSync(keyFile, 'utf8'),
  };
}

/** Makes an authority in a new folder, and a server certificate for localhost that it signs. */
export function localCertificate(): { at: string; authority: Certificate; server: Certificate } {
  const at = folder();
  const authority = certificate(at, 'authority');
  return {
    at,
    authority,
    server: certificate(at, 'server', 'DNS:localhost,IP:127.0.0.1', authority),
  };
}
