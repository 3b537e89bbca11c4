// The certificate of one server, and the authorities of its clients: reads them, and reads them again when files change.
// Invariant: files that cannot be used change nothing, and no session of clients goes on under other files.
import { randomBytes } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import { readAuthorities, readKeyPair, type KeyPair } from './certificates.ts';
import { WeirError } from './errors.ts';
import { nodeTls } from './node-tls.ts';
import { ALONE, type ThreadShare } from './shared-arrays.ts';
import type { ServerTlsOptions } from './server-tls-options.ts';

/** What is read of the files of a server. Plain data, for other threads. */
export interface CertificateFiles {
  readonly pair: KeyPair;
  /** Authorities of clients, as PEM; empty: clients are not asked for a certificate. */
  readonly authorities: string;
  /** Key of the session tickets: 48 bytes. */
  readonly ticketKey: Uint8Array;
}

const TICKET_KEY_BYTES = 48;

type FilesRead =
  | { readonly ok: true; readonly files: CertificateFiles }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Reads the files of a server. `path`: of its settings, such as `ingress.tls`, for the problems. */
export function readCertificateFiles(
  { cert, key, client_ca, client_certificates }: ServerTlsOptions,
  path: string,
): FilesRead {
  const read = readKeyPair(cert, key);
  const authorities =
    client_certificates === 'off' || client_ca === '' ? { pem: '' } : readAuthorities(client_ca);
  const problems = [
    ...(read.ok ? [] : read.problems.map((problem) => `${path}.${problem}`)),
    ...('problem' in authorities ? [`${path}.client_ca ${authorities.problem}`] : []),
  ];
  if (!read.ok || 'problem' in authorities) return { ok: false, problems };
  return {
    ok: true,
    files: { pair: read.pair, authorities: authorities.pem, ticketKey: randomBytes(TICKET_KEY_BYTES) },
  };
}

/** What became of files that were read again. */
export type Renewal =
  | { readonly outcome: 'unchanged' | 'renewed' }
  /** `isNew`: it was not the outcome of the last reading. */
  | { readonly outcome: 'refused'; readonly problem: string; readonly isNew: boolean };

/** Why connections were closed before they were served. */
const REFUSALS = ['clear_text', 'late', 'no_certificate', 'untrusted_certificate', 'handshake'] as const;
export type RefusedHandshake = (typeof REFUSALS)[number];

/** Counts closed connections by reason, in all threads. */
export class RefusedHandshakes {
  readonly #counts: Float64Array;
  readonly #own: number;

  constructor({ threads, thread, arrays }: ThreadShare = ALONE) {
    this.#counts = arrays.float64(threads * REFUSALS.length);
    this.#own = thread * REFUSALS.length;
  }

  add(reason: RefusedHandshake): void {
    this.#counts[this.#own + REFUSALS.indexOf(reason)]!++;
  }

  /** Of all threads. */
  get totals(): Readonly<Record<RefusedHandshake, number>> {
    const totals = REFUSALS.map((reason, place) => {
      let sum = 0;
      for (let i = place; i < this.#counts.length; i += REFUSALS.length) sum += this.#counts[i]!;
      return [reason, sum] as const;
    });
    return Object.fromEntries(totals) as Record<RefusedHandshake, number>;
  }
}

export class ServerCertificate {
  /** Name of the server: the section of its settings. */
  readonly server: string;
  readonly options: ServerTlsOptions;
  readonly #refused: RefusedHandshakes;
  #files: CertificateFiles;
  #context: SecureContext;
  #problem = '';

  /** Throws a WeirError if the files cannot be used. `files`: those of another thread, instead of reading them. */
  constructor(
    server: string,
    options: ServerTlsOptions,
    refused = new RefusedHandshakes(),
    files?: CertificateFiles,
  ) {
    this.#refused = refused;
    this.server = server;
    this.options = options;
    const read = files ? ({ ok: true, files } as const) : readCertificateFiles(options, this.#path);
    if (!read.ok) throw new WeirError('bad_settings', read.problems.join('; '));
    this.#files = read.files;
    this.#context = this.#contextOf(read.files);
  }

  /** Connections that were closed before they were served, in all threads. */
  get refusals(): Readonly<Record<RefusedHandshake, number>> {
    return this.#refused.totals;
  }

  /** A connection was closed before it was served. */
  refused(reason: RefusedHandshake): void {
    this.#refused.add(reason);
  }

  /** What was read last and is in use. */
  get files(): CertificateFiles {
    return this.#files;
  }

  /** Uses what another thread has read, for new connections. */
  use(files: CertificateFiles): void {
    this.#context = this.#contextOf(files);
    this.#files = files;
  }

  /** For new connections. */
  get context(): SecureContext {
    return this.#context;
  }

  get names(): string {
    return this.#files.pair.names;
  }

  /** Expiry, in milliseconds since 1970. */
  get validToMs(): number {
    return this.#files.pair.validToMs;
  }

  /** True while the files hold something that cannot be used, so that what was read before is in use. */
  get isRefused(): boolean {
    return this.#problem !== '';
  }

  /** Files to watch, with the settings that name them. */
  get paths(): readonly string[] {
    const { cert, key, client_ca, client_certificates } = this.options;
    return client_certificates === 'off' ? [cert, key] : [cert, key, client_ca];
  }

  /** Reads the files again, for new connections. */
  renew(): Renewal {
    const read = readCertificateFiles(this.options, this.#path);
    const problem = read.ok ? this.#expired(read.files) : read.problems.join('; ');
    const isNew = problem !== this.#problem;
    this.#problem = problem;
    if (!read.ok || problem !== '') return { outcome: 'refused', problem, isNew };
    const { pair, authorities } = this.#files;
    const { files } = read;
    const isSame =
      pair.cert === files.pair.cert && pair.key === files.pair.key && authorities === files.authorities;
    if (isSame) return { outcome: 'unchanged' };
    this.use(files);
    return { outcome: 'renewed' };
  }

  get #path(): string {
    return `${this.server}.tls`;
  }

  /** A certificate that has expired does not replace one that has not. */
  #expired({ pair: { validToMs } }: CertificateFiles): string {
    const nowMs = Date.now();
    if (validToMs > nowMs || this.validToMs <= nowMs) return '';
    return `${this.#path}.cert (${this.options.cert}) expired at ${new Date(validToMs).toISOString()}`;
  }

  /** Files that were read anew have a new key of session tickets, so sessions end with the old ones. */
  #contextOf({ pair: { cert, key }, authorities, ticketKey }: CertificateFiles): SecureContext {
    return nodeTls().createSecureContext({
      cert,
      key,
      ticketKeys: Buffer.from(ticketKey),
      minVersion: this.options.min_version,
      // Without it OpenSSL refuses to resume sessions of clients with certificates.
      sessionIdContext: this.server,
      ...(authorities !== '' && { ca: authorities }),
    });
  }
}
