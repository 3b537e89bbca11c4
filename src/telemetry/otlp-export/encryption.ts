// Keeps texts that nobody may read in the data folder: AES-256-GCM, each under a nonce of its own.
// Must stay true: a sealed text opens only under the key and for the owner that it was sealed for, so that who can
// write the file still cannot have a secret sent along with another connection.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WeirError } from '../../core/errors.ts';
import { writeAtomic } from './atomic-file.ts';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const FILE = 'secret.key';

export class SecretBox {
  readonly #key: Uint8Array;

  /** `secret`: what only we know, of any length. */
  constructor(secret: string | Uint8Array) {
    this.#key = new Uint8Array(hkdfSync('sha256', secret, '', 'weir export header values', KEY_BYTES));
  }

  /** Text for the file. */
  seal(text: string, owner: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce).setAAD(Buffer.from(owner));
    const sealed = [nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()];
    return `v1.${Buffer.concat(sealed).toString('base64url')}`;
  }

  /** The text, or `undefined` where it was sealed under another key, for another owner, or is damaged. */
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
      // What `final` throws says one thing only: not sealed by this key for this owner.
      return undefined;
    }
  }
}

/** The box of a data folder: under the setting's key, or under one that is kept in the folder, made when it is needed. */
export async function openBox(folder: string, key: string): Promise<SecretBox> {
  if (key !== '') return new SecretBox(key);
  const file = join(folder, FILE);
  try {
    return new SecretBox(keyIn(await readFile(file, 'utf8'), file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const made = randomBytes(KEY_BYTES);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeAtomic(file, `${made.toString('hex')}\n`);
  return new SecretBox(made);
}

function keyIn(text: string, file: string): Buffer {
  if (!/^[0-9a-f]{64}\n?$/.test(text))
    throw new WeirError(
      'bad_key',
      `${file} holds no key: 64 hex characters are needed. Restore it, or remove it and give all header values anew`,
    );
  return Buffer.from(text.trim(), 'hex');
}
