// The certificates of weir's servers: created once, and read again when their files change.
import type { Config } from '../config/config.ts';
import type { Logger } from '../core/logger.ts';
import { ServerCertificate, type RefusedHandshakes } from '../core/server-certificate.ts';
import type { ServerTlsOptions } from '../core/server-tls-options.ts';

export class Certificates {
  /** `undefined`: the server speaks clear text. */
  readonly ingress: ServerCertificate | undefined;
  readonly admin: ServerCertificate | undefined;
  readonly scale: ServerCertificate | undefined;
  /** Is told of a new certificate of the data server, and resolves when all its threads use it. */
  changed: ((certificate: ServerCertificate) => Promise<void>) | undefined;
  readonly #log: Logger;

  /** Throws a WeirError for files that cannot be used. `refused`: counts of the data server. */
  constructor({ ingress, admin, scale }: Config, log: Logger, refused: RefusedHandshakes) {
    this.#log = log;
    this.ingress = certificateOf('ingress', ingress.tls, refused);
    this.admin = certificateOf('admin', admin.tls);
    this.scale = scale.keda ? certificateOf('scale', scale.tls) : undefined;
  }

  get all(): readonly ServerCertificate[] {
    return [this.ingress, this.admin, this.scale].filter((one) => one !== undefined);
  }

  /** Files to watch. */
  get paths(): readonly string[] {
    return Array.from(new Set(this.all.flatMap(({ paths }) => paths)));
  }

  /** Reads the files of all servers again. Files that cannot be used change nothing. Logs what changed. */
  renew(): void {
    for (const certificate of this.all) {
      const renewal = certificate.renew();
      if (renewal.outcome === 'renewed') void this.#renewed(certificate);
      else if (renewal.outcome === 'refused' && renewal.isNew)
        this.#log.event('certificate_refused', { problem: renewal.problem });
    }
  }

  async #renewed(certificate: ServerCertificate): Promise<void> {
    if (certificate === this.ingress) await this.changed?.(certificate);
    this.#logOne(certificate);
  }

  logAll(): void {
    for (const certificate of this.all) this.#logOne(certificate);
  }

  #logOne({ server, names, validToMs }: ServerCertificate): void {
    const write = validToMs < Date.now() ? this.#log.warn : this.#log.info;
    write('certificate', { server, names, valid_until: new Date(validToMs).toISOString() });
  }
}

const certificateOf = (
  server: string,
  tls: ServerTlsOptions,
  refused?: RefusedHandshakes,
): ServerCertificate | undefined =>
  tls.cert === '' ? undefined : new ServerCertificate(server, tls, refused);
