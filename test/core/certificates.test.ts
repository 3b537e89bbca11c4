// Files of certificates that are still being written.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readAuthorities, readKeyPair } from '../../src/core/certificates.ts';
import { localCertificate } from '../kit/certificate.ts';
import { removeFolders } from '../kit/folder.ts';

afterAll(removeFolders);

it('refuses authorities and chains of which the last certificate is cut off', () => {
  const { at, authority, server } = localCertificate();
  const file = join(at, 'bundle.pem');
  const whole = server.cert + authority.cert;
  writeFileSync(file, whole);
  expect(readAuthorities(file)).toHaveProperty('pem');
  for (const length of [
    whole.length - 5,
    whole.length - 40,
    server.cert.length + 60,
    server.cert.length + 27,
  ]) {
    writeFileSync(file, whole.slice(0, length));
    const problem = 'is cut off: a certificate in it has no end';
    expect(readAuthorities(file), `${length}`).toEqual({ problem: `(${file}) ${problem}` });
    expect(readKeyPair(file, server.keyFile), `${length}`).toEqual({
      ok: false,
      problems: [`cert (${file}) ${problem}`],
    });
  }
});
