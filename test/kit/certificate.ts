// Certificates for tests, made by openssl: an authority and certificates that it signs.
// Invariant: they lie in folders that are removed after the test.
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
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

/**
 * Makes the certificate of a client, signed by `by`. `subject`: in the form of openssl, such as `/O=Example/CN=client`.
 * `days`: how long it is valid from now on; below 0 it has expired.
 */
export function clientCertificate(at: string, subject: string, by: Certificate, days = 1): Certificate {
  const name = randomUUID();
  const [certFile, keyFile] = [join(at, `${name}.pem`), join(at, `${name}-key.pem`)];
  const openssl = (args: string[], input = '') => execFileSync('openssl', args, { input, stdio: 'pipe' });
  const request = openssl(['req', '-new', ...CURVE, '-utf8', '-subj', subject, '-keyout', keyFile]);
  // Only `openssl ca` writes any time of expiry.
  const config = join(at, `${name}.cnf`);
  writeFileSync(join(at, `${name}.db`), '');
  writeFileSync(
    config,
    `[ca]\ndefault_ca=ca\n[ca]\ndatabase=${join(at, `${name}.db`)}\nnew_certs_dir=${at}\nrand_serial=yes\n` +
      'default_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncountryName=optional\norganizationName=optional\n' +
      'organizationalUnitName=optional\ncommonName=optional\n',
  );
  const requestFile = join(at, `${name}.csr`);
  writeFileSync(requestFile, request);
  const time = (ms: number) => `${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
  const nowMs = Date.now();
  openssl([
    'ca',
    '-batch',
    '-notext',
    '-utf8',
    '-config',
    config,
    '-cert',
    by.certFile,
    '-keyfile',
    by.keyFile,
    '-startdate',
    time(nowMs - 30 * DAY_MS),
    '-enddate',
    time(nowMs + days * DAY_MS),
    '-in',
    requestFile,
    '-out',
    certFile,
  ]);
  return {
    certFile,
    keyFile,
    cert: readFileSync(certFile, 'utf8'),
    key: readFileSync(keyFile, 'utf8'),
  };
}
const DAY_MS = 86_400_000;
