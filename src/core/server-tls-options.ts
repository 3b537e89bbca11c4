// TLS settings of a server: the same for the data server, the admin server and the scaler server.
import { SUBJECT_HEADER_NAME } from './header-names.ts';
import { choice, duration, section, text, type Settings } from './settings.ts';

/** TLS versions that a server may require at least. */
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

/** Settings that need `cert` and `key`. `server`: its name in sentences, such as `data server`. `path`: of the section. */
const settingsOf = (server: string, path: string) => ({
  cert: text({
    default: '',
    doc: `PEM file with the certificate, followed by its chain. With it and \`${path}.key\` the ${server} accepts only TLS.`,
  }),
  key: text({ default: '', doc: 'PEM file with the private key of the certificate, without a passphrase.' }),
  min_version: choice(VERSIONS, { default: 'TLSv1.2', doc: 'Oldest TLS version that clients may use.' }),
  client_certificates: choice(['off', 'optional', 'required'], {
    default: 'off',
    doc: 'Whether clients are asked for a certificate, and whether they must have one. One that cannot be verified is refused in both cases.',
  }),
  client_ca: text({
    default: '',
    doc: 'PEM file with the certificate authorities of clients.',
  }),
  handshake_timeout: duration({
    default: 10_000,
    min: 100,
    doc: 'Time limit of the TLS handshake.',
  }),
});

export const serverTlsOptions = (server: string, path: string) => section(settingsOf(server, path));
export type ServerTlsOptions = Settings<ReturnType<typeof serverTlsOptions>>;

/** TLS settings of the data server, which can tell replicas the subject of a client's certificate. */
export const dataTlsOptions = (server: string, path: string) =>
  section({
    ...settingsOf(server, path),
    subject_header: text({
      default: '',
      pattern: SUBJECT_HEADER_NAME,
      like: 'a name that begins with x-client-, x-ssl-client- or x-forwarded-client-',
      doc: 'Header that tells the replica the subject of the client’s certificate. A client’s own header of this name is dropped. Empty means none.',
    }),
  });

/** Problems between the TLS settings of one server. `path`: of the section. */
export function tlsContradictions(
  tls: ServerTlsOptions & { subject_header?: string },
  path: string,
): string[] {
  const { cert, key, client_certificates: asked, client_ca, subject_header = '' } = tls;
  const problems: string[] = [];
  if ((cert === '') !== (key === ''))
    problems.push(
      `${path}.${cert === '' ? 'key' : 'cert'} is set without ${path}.${cert === '' ? 'cert' : 'key'}: TLS needs both the certificate and its private key`,
    );
  if (asked !== 'off' && cert === '')
    problems.push(`${path}.client_certificates is ${asked}, which needs ${path}.cert and ${path}.key`);
  if (asked !== 'off' && client_ca === '')
    problems.push(
      `${path}.client_certificates is ${asked}, but ${path}.client_ca is empty; set it to the file with the authorities of clients`,
    );
  if (asked === 'off' && client_ca !== '')
    problems.push(
      `${path}.client_ca is set, but ${path}.client_certificates is off; set that to optional or required`,
    );
  if (asked === 'off' && subject_header !== '')
    problems.push(`${path}.subject_header is set, but ${path}.client_certificates is off`);
  return problems;
}
