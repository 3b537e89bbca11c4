// Certificates for tests: an authority and what it signs, made by openssl when first asked for.
// Must stay true: nothing of them outlives the run, and nobody else trusts them.
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
 * A new certificate in the folder `at`: for the names of `names` (`DNS:localhost,IP:127.0.0.1`), signed by `by` or, without it, by
 * itself.
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

/** An authority in a new folder, and a server's certificate for this machine that it signed. */
export function localCertificate(): { at: string; authority: Certificate; server: Certificate } {
  const at = folder();
  const authority = certificate(at, 'authority');
  return {
    at,
    authority,
    server: certificate(at, 'server', 'DNS:localhost,IP:127.0.0.1', authority),
  };
}
