// Encrypts secrets in the data folder with AES-256-GCM, each with its own nonce.
// Invariant: a sealed text opens only with its key and for its owner, so that write access to the file is not enough to
// send a secret to another receiver.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from './atomic-file.ts';
import { WeirError } from './errors.ts';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const FILE = 'secret.key';

export class SecretBox {
  readonly #key: Uint8Array;

  /** `secret`: of any length; the key is derived from it. */
  constructor(secret: string | Uint8Array) {
    this.#key = new Uint8Array(hkdfSync('sha256', secret, '', 'weir export header values', KEY_BYTES));
  }

  /** Encrypts a text for an owner. The result is text too. */
  seal(text: string, owner: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce).setAAD(Buffer.from(owner));
    const sealed = [nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()];
    return `v1.${Buffer.concat(sealed).toString('base64url')}`;
  }

  /** Decrypts a text. Returns `undefined` if it is damaged, or was sealed with another key or for another owner. */
  open(sealed: string, owner: string): string | undefined {
    const bytes = Buffer.from(sealed.slice(3), 'base64url');
    if (!sealed.startsWith('v1.') || bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
    const decipher = createDecipheriv(ALGORITHM, this.#key, bytes.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(owner)).setAuthTag(bytes.subarray(-TAG_BYTES));
    const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
    try {
      return Buffer.concat([text, decipher.final()]).toString('utf8');
    } catch {
      // `final` throws only if the authentication fails: another key, another owner, or a damaged text.
      return undefined;
    }
  }
}

/** `key`: export.encryption_key. If it is empty, the key is in the data folder, and made at first use. */
export async function openBox(folder: string, key: string): Promise<SecretBox> {
  if (key !== '') return new SecretBox(key);
  const file = join(folder, FILE);
  try {
    return new SecretBox(keyIn(await readFile(file, 'utf8'), file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const made = randomBytes(KEY_BYTES);
  await writeAtomic(file, `${made.toString('hex')}\n`);
  return new SecretBox(made);
}

function keyIn(text: string, file: string): Buffer {
  if (!/^[0-9a-f]{64}\n?$/.test(text))
    throw new WeirError(
      'bad_key',
      `${file} is not a key: 64 hex characters expected. Restore the file, or delete it and set all header values again`,
    );
  return Buffer.from(text.trim(), 'hex');
}
