// The files that commands need to call an admin server over TLS: the authority of its certificate, and a certificate of
// the client.
// Invariant: a problem names the flag or the variable that the file came from.
import { readAuthorities, readKeyPair } from '../core/certificates.ts';
import { CLIENT } from '../config/config.ts';

/** Flag → variable. */
export const CLIENT_FILES = {
  'ca-file': CLIENT.caFile,
  'cert-file': CLIENT.certFile,
  'key-file': CLIENT.keyFile,
} as const;
export type ClientFile = keyof typeof CLIENT_FILES;

export const CLIENT_FILES_HELP = `  --ca-file FILE         PEM file with the authority of the server's certificate [${CLIENT.caFile}, public ones]
  --cert-file FILE       PEM file with a certificate of the client, if the server wants one [${CLIENT.certFile}]
  --key-file FILE        PEM file with its private key [${CLIENT.keyFile}]`;

/** Options of `tls.connect`, as PEM. Empty: public authorities and no certificate. */
export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** A file, and the flag or variable that named it; empty without one. */
interface GivenFile {
  readonly file: string;
  readonly from: string;
}
export type ClientFiles = Readonly<Record<ClientFile, GivenFile>>;

/** Names of the files. `flag`: the value of a flag, if it was given. */
export function clientFiles(
  flag: (name: ClientFile) => string | undefined,
  env: NodeJS.ProcessEnv,
): ClientFiles {
  const given = (name: ClientFile): GivenFile => {
    const file = flag(name);
    return file === undefined
      ? { file: env[CLIENT_FILES[name]] ?? '', from: CLIENT_FILES[name] }
      : { file, from: `--${name}` };
  };
  return { 'ca-file': given('ca-file'), 'cert-file': given('cert-file'), 'key-file': given('key-file') };
}

/** Reads the files, or says all that is wrong with them. */
export function readClientTls({
  'ca-file': ca,
  'cert-file': cert,
  'key-file': key,
}: ClientFiles): { readonly tls: ClientTls } | { readonly problems: readonly string[] } {
  const problems: string[] = [];
  const tls: { ca?: string; cert?: string; key?: string } = {};
  if (ca.file !== '') {
    const read = readAuthorities(ca.file);
    if ('problem' in read) problems.push(`${ca.from} ${read.problem}`);
    else tls.ca = read.pem;
  }
  if ((cert.file === '') !== (key.file === ''))
    problems.push(
      `${cert.file === '' ? key.from : cert.from}: a certificate needs its private key; give --cert-file and --key-file`,
    );
  else if (cert.file !== '') {
    const read = readKeyPair(cert.file, key.file);
    if (read.ok) Object.assign(tls, { cert: read.pair.cert, key: read.pair.key });
    // Problems begin with `cert` or `key`.
    else problems.push(...read.problems.map((problem) => `--${problem.replace(/^(cert|key) /, '$1-file ')}`));
  }
  return problems.length > 0 ? { problems } : { tls };
}
