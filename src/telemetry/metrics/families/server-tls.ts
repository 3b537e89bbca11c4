// Families of the certificates of weir's servers.
import type { Family, Sample } from '../family.ts';
import type { CertificateFigures, MetricSources } from '../metric-sources.ts';

const perServer =
  (valueOf: (certificate: CertificateFigures) => number) =>
  ({ certificates }: MetricSources): Sample[] =>
    certificates().map((one) => ({ labels: { server: one.server }, value: valueOf(one) }));

export const certificateFamilies: readonly Family[] = [
  {
    name: 'weir_certificate_expiry_timestamp_seconds',
    type: 'gauge',
    help: 'When the certificate of a server expires, or the first one of its chain, in seconds since 1970.',
    labels: ['server'],
    samples: perServer(({ validToMs }) => validToMs / 1000),
  },
  {
    name: 'weir_certificate_refused',
    type: 'gauge',
    help: '1 while the files of a certificate cannot be used, so that the previous one stays in use, else 0.',
    labels: ['server'],
    samples: perServer(({ isRefused }) => Number(isRefused)),
  },
  {
    name: 'weir_tls_refused_total',
    type: 'counter',
    help: 'Connections to a TLS port that were closed before their first request, by reason.',
    labels: ['server', 'reason'],
    samples: ({ certificates }) =>
      certificates().flatMap(({ server, refusals }) =>
        Object.entries(refusals).map(([reason, value]) => ({ labels: { server, reason }, value })),
      ),
  },
];
