// Settings of exporters (section `export`): one destination for logs, one for traces, and the key that encrypts the
// header values of destinations in the data folder.
import { choice, secret, secrets, section, text, type Settings } from '../../core/settings.ts';
import { encodings } from '../../protocol/otlp/codec.ts';

const url = /^(https?:\/\/\S+)?$/;
const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/;

export const exportOptions = section({
  endpoint: text({
    default: '',
    pattern: url,
    like: 'a URL such as https://otlp.example.com/v1/logs',
    doc: 'URL that logs are sent to, as OTLP over HTTP. Used as it is, with no path appended. Empty: logs are sent only to connections of the admin API.',
  }),
  header_name: text({
    default: 'Authorization',
    pattern: headerName,
    like: 'a header name such as Authorization',
    doc: 'Name of the header with the key for `endpoint`.',
  }),
  header_value: secret({
    minLength: 1,
    doc: 'Value of the header `header_name`. Empty: the header is not sent.',
  }),
  traces_endpoint: text({
    default: '',
    pattern: url,
    like: 'a URL such as https://otlp.example.com/v1/traces',
    doc: 'URL that spans are sent to. OTEL_EXPORTER_OTLP_ENDPOINT sets it too. HONEYCOMB_API_KEY and HONEYCOMB_DATASET set it to Honeycomb.',
  }),
  traces_headers: secrets({
    minLength: 3,
    max: 16,
    doc: 'Headers for `traces_endpoint`, each as name=value.',
  }),
  encoding: choice(encodings, { default: 'protobuf', doc: 'Encoding of logs and spans.' }),
  compression: choice(['gzip', 'none'], { default: 'gzip', doc: 'Compression of logs and spans.' }),
  min_level: choice(['', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
    default: '',
    doc: 'Lowest level of lines that are sent. Empty: all lines, also those without a level.',
  }),
  service_name: text({
    default: 'baseten',
    pattern: /^.{1,256}$/,
    like: '1 to 256 characters',
    doc: 'Value of the resource attribute `service.name`.',
  }),
  encryption_key: secret({
    minLength: 16,
    doc: 'Key that encrypts header values in the data folder. Empty: weir makes a key and stores it in that folder.',
  }),
});
export type ExportOptions = Settings<typeof exportOptions>;
