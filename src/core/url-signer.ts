// Signs URLs that are used without a key, such as those of downloads, and checks their signatures.
// Invariant: a signature holds for one method, one path, one set of parameters and one expiry. Signatures are compared in
// constant time.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from './atomic-file.ts';
import { WeirError } from './errors.ts';

const FILE = 'url-key';
const KEY = /^[0-9a-f]{64}\n$/;
const EXPIRES = 'expires';
const SIGNATURE = 'signature';

/** Why a URL is not accepted. */
export type SignatureProblem = 'missing' | 'wrong' | 'expired';

/** What a signature is for. `path`: without the query, as it is in the request. */
export interface SignedRequest {
  readonly method: string;
  readonly path: string;
}

export class UrlSigner {
  #key = randomBytes(32);

  /**
   * Reads the key from the data folder, or makes one. Without a call, signatures hold until the process ends. Throws a
   * WeirError if the file is not a key.
   */
  async load(folder: string): Promise<void> {
    const file = join(folder, FILE);
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return writeAtomic(file, `${this.#key.toString('hex')}\n`);
    }
    if (!KEY.test(text))
      throw new WeirError(
        'keys_unreadable',
        `${file} is not a key of 64 hex digits; remove it, and URLs that were signed before stop working`,
      );
    this.#key = Buffer.from(text.trim(), 'hex');
  }

  /**
   * Returns the query of a signed URL, without `?`. `expiresMs`: milliseconds since the epoch, rounded up to a second.
   * `params`: further parameters that the signature covers.
   */
  sign(
    { method, path }: SignedRequest,
    expiresMs: number,
    params: Readonly<Record<string, string>> = {},
  ): string {
    const query = new URLSearchParams(params);
    query.set(EXPIRES, String(Math.ceil(expiresMs / 1000)));
    query.set(SIGNATURE, this.#signature(method, path, query).toString('base64url'));
    return query.toString();
  }

  /** Checks the URL of a request. Returns `undefined` if it may be used now. */
  check(
    { method, path }: SignedRequest,
    query: URLSearchParams,
    nowMs: number,
  ): SignatureProblem | undefined {
    const given = query.get(SIGNATURE);
    const expires = query.get(EXPIRES);
    if (given === null || expires === null) return 'missing';
    const covered = new URLSearchParams(query);
    covered.delete(SIGNATURE);
    const bytes = Buffer.from(given, 'base64url');
    const wanted = this.#signature(method, path, covered);
    if (bytes.length !== wanted.length || !timingSafeEqual(bytes, wanted)) return 'wrong';
    return Number(expires) * 1000 < nowMs ? 'expired' : undefined;
  }

  #signature(method: string, path: string, query: URLSearchParams): Buffer {
    const sorted = new URLSearchParams(query);
    sorted.sort();
    return createHmac('sha256', this.#key).update(`${method}\n${path}\n${sorted.toString()}`).digest();
  }
}
