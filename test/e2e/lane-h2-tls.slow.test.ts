// The contract of all lanes, for requests over HTTP/2 and TLS.
import { afterAll } from 'vitest';
import { laneContract } from '../contract/lane.ts';
import { localCertificate } from '../kit/certificate.ts';
import { removeFolders } from '../kit/folder.ts';
import { closeH2Fronts, startH2Front } from '../kit/h2-front.ts';

const { authority, server } = localCertificate();

laneContract(
  'HTTP/2 over TLS',
  ['--ingress-tls-cert', server.certFile, '--ingress-tls-key', server.keyFile],
  {
    proto: 'https',
    isHttp2: true,
    async stand(weir) {
      weir.port = await startH2Front(weir.port, authority.cert);
    },
  },
);

afterAll(() => {
  closeH2Fronts();
  removeFolders();
});
