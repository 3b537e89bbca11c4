// The contract of all lanes, for the fast lane over TLS.
import { afterAll } from 'vitest';
import { laneContract } from '../contract/lane.ts';
import { localCertificate } from '../kit/certificate.ts';
import { removeFolders } from '../kit/folder.ts';
import { closeFronts, startTlsFront } from '../kit/tls-front.ts';

const { authority, server } = localCertificate();

laneContract(
  'the fast lane over TLS',
  ['--ingress-tls-cert', server.certFile, '--ingress-tls-key', server.keyFile],
  {
    proto: 'https',
    async stand(weir) {
      weir.port = await startTlsFront(weir.port, authority.cert);
    },
  },
);

afterAll(() => {
  closeFronts();
  removeFolders();
});
