// Settings of what is sent to OTLP receivers (section `export`): one destination of logs and one of traces that need no
// folder to be known, and the key under which the others' secrets are kept.
import { choice, secret, secrets, section, text, type Settings } from '../../core/settings.ts';
import { encodings } from '../../protocol/otlp/codec.ts';

const url = /^(https?:\/\/\S+)?$/;
const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/;

export const exportOptions = section({
  endpoint: text({
    default: '',
    pattern: url,
    like: 'a URL such as https://otlp.example.com/v1/logs',
    doc: 'Where logs are sent to, as OTLP over HTTP: the whole URL, nothing is put behind it. Empty: only to connections of the admin API.',
  }),
  header_name: text({
    default: 'Authorization',
    pattern: headerName,
    like: 'the name of a header',
    doc: 'Header that carries the key for that receiver.',
  }),
  header_value: secret({ minLength: 1, doc: 'Value of that header; empty: it is not sent.' }),
  traces_endpoint: text({
    default: '',
    pattern: url,
    like: 'a URL such as https://otlp.example.com/v1/traces',
    doc: 'Where spans are sent to; OTEL_EXPORTER_OTLP_ENDPOINT says the same, HONEYCOMB_API_KEY and HONEYCOMB_DATASET say Honeycomb.',
  }),
  traces_headers: secrets({
    minLength: 3,
    max: 16,
    doc: 'Headers for that receiver, each as name=value.',
  }),
  encoding: choice(encodings, { default: 'protobuf', doc: 'How both are written.' }),
  compression: choice(['gzip', 'none'], { default: 'gzip', doc: 'How both are packed.' }),
  min_level: choice(['', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
    default: '',
    doc: 'Least level of the lines that are sent; empty: all of them, those without a level too.',
  }),
  service_name: text({
    default: 'baseten',
    pattern: /^.{1,256}$/,
    like: '1 to 256 characters',
    doc: 'What `service.name` says.',
  }),
  encryption_key: secret({
    minLength: 16,
    doc: 'What header values are encrypted with in the data folder; without it, a key that is made and kept there.',
  }),
});
export type ExportOptions = Settings<typeof exportOptions>;
