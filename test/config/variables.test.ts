// WEIR_ variables: settings, variables of other programs, and mistakes.
import { describe, expect, it } from 'vitest';
import { load } from '../../src/config/config.ts';
import { settings } from '../../src/config/schema.ts';
import { isServiceLink } from '../../src/config/service-links.ts';

const ARGS = ['--replica=http://127.0.0.1:8000'];
const loaded = (env: Record<string, string>) => load(ARGS, env);

/** The variables that Kubernetes sets for a Service with two ports, as in kubelet's pkg/kubelet/envvars. */
const serviceLinks = (name: string, address: string): Record<string, string> => {
  const prefix = name.toUpperCase().replaceAll('-', '_');
  const host = address.includes(':') ? `[${address}]` : address;
  const port = (number: number, protocol: string) => ({
    [`${prefix}_PORT_${number}_${protocol.toUpperCase()}`]: `${protocol}://${host}:${number}`,
    [`${prefix}_PORT_${number}_${protocol.toUpperCase()}_PROTO`]: protocol,
    [`${prefix}_PORT_${number}_${protocol.toUpperCase()}_PORT`]: String(number),
    [`${prefix}_PORT_${number}_${protocol.toUpperCase()}_ADDR`]: address,
  });
  return {
    [`${prefix}_SERVICE_HOST`]: address,
    [`${prefix}_SERVICE_PORT`]: '8080',
    [`${prefix}_SERVICE_PORT_HTTP`]: '8080',
    [`${prefix}_SERVICE_PORT_METRICS_V2`]: '9464',
    [`${prefix}_PORT`]: `tcp://${host}:8080`,
    ...port(8080, 'tcp'),
    ...port(9464, 'udp'),
    ...port(7, 'sctp'),
  };
};

/** The variables that Docker sets for `--link web:alias`, as in daemon/links. */
const DOCKER = {
  WEIR_NAME: '/model/weir',
  WEIR_PORT: 'tcp://172.17.0.5:8080',
  WEIR_PORT_8080_TCP: 'tcp://172.17.0.5:8080',
  WEIR_PORT_8080_TCP_START: 'tcp://172.17.0.5:8080',
  WEIR_PORT_8080_TCP_PORT_START: '8080',
  WEIR_PORT_8080_TCP_END: 'tcp://172.17.0.5:8082',
  WEIR_PORT_8080_TCP_PORT_END: '8082',
  WEIR_ENV_PATH: '/usr/bin:/bin',
  WEIR_ENV_LOG_LEVEL: 'loud',
  WEIR_ENV_WEIR_ENV_X: '',
};

describe('service links', () => {
  it.each(['weir', 'weir-front', 'weir-admin', 'weir-log', 'weir-replica', 'weir-2', 'weir-export-service'])(
    'of a Kubernetes Service called %s are ignored and listed',
    (name) => {
      for (const address of ['10.96.0.7', 'fd00:10:96::7']) {
        const env = serviceLinks(name, address);
        const result = loaded(env);
        expect(result).toMatchObject({ ok: true });
        expect(result).toMatchObject({
          notices: [{ level: 'info', fields: { variables: Object.keys(env).sort() } }],
        });
      }
    },
  );

  it('of Docker are ignored, and so is the environment that a link copies', () => {
    expect(loaded(DOCKER)).toMatchObject({ ok: true });
    const front = { WEIR_FRONT_NAME: '/model/weir-front', WEIR_FRONT_ENV_HOME: '/root' };
    expect(loaded(front)).toMatchObject({ ok: true });
  });

  it.each(Object.keys(serviceLinks('weir', '10.96.0.7')))('%s alone is ignored', (name) => {
    expect(loaded({ [name]: serviceLinks('weir', '10.96.0.7')[name]! })).toMatchObject({ ok: true });
  });

  it('do not affect settings in the same environment', () => {
    const env = { ...serviceLinks('weir', '10.96.0.7'), WEIR_LISTEN: '127.0.0.1:1', WEIR_LOG_LEVEL: 'warn' };
    const result = loaded(env);
    if (!result.ok) throw new Error(result.problems.join());
    expect(result.config.ingress.listen).toEqual({ host: '127.0.0.1', port: 1 });
    expect(result.config.log.level).toBe('warn');
  });

  it('of Kubernetes never have the name of a setting', () => {
    const values = ['10.96.0.7', '80', 'tcp://10.96.0.7:80', 'tcp'];
    for (const name of settings.flatMap(({ variables }) => variables))
      for (const value of values) expect(isServiceLink(name, { [name]: value }), name).toBe(false);
  });

  it('never hide a setting', () => {
    const result = loaded({ WEIR_MODEL_NAME: 'llama-3', WEIR_EXPORT_SERVICE_NAME: 'mine' });
    if (!result.ok) throw new Error(result.problems.join());
    expect(result.config.model.name).toBe('llama-3');
    expect(result.config.export.service_name).toBe('mine');
  });

  it.each([
    ['WEIR_PORT', '8080'],
    ['WEIR_PORT', 'http://10.96.0.7:80'],
    ['WEIR_PORT', 'tcp://10.96.0.7:99999'],
    ['WEIR_ADMIN_PORT', '9464'],
    ['WEIR_LISTEN_PORT', '8080'],
    ['WEIR_SERVICE_PORT', 'http'],
    ['WEIR_SERVICE_HOST', ''],
    ['WEIR_NAME', 'weir'],
    ['WEIR_MODLE_NAME', '/models/llama'],
    ['WEIR_ENV_PATH', '/bin'],
    ['WEIR_PORT_8080_TCP_PROT', 'tcp'],
    ['WEIR_ADMINN', 'x'],
  ])('%s=%s is rejected as an unknown variable', (name, value) => {
    expect(loaded({ [name]: value })).toMatchObject({
      ok: false,
      problems: [
        expect.stringMatching(new RegExp(`^unknown variable ${name}(; did you mean WEIR_\\w+\\?)?$`)),
      ],
    });
  });
});

describe('variables of the client commands', () => {
  it.each(['WEIR_CLIENT_URL', 'WEIR_CLIENT_KEY', 'WEIR_ADMIN_URL'])('a server accepts %s', (name) => {
    const result = loaded({ [name]: 'http://127.0.0.1:9464' });
    if (!result.ok) throw new Error(result.problems.join());
    expect(result.config.admin).toEqual((loaded({}) as { config: typeof result.config }).config.admin);
    expect(result.notices).toEqual([]);
  });

  it('are suggested for a mistyped name', () => {
    expect(loaded({ WEIR_CLIENT_KEYS: 'x' })).toMatchObject({
      problems: ['unknown variable WEIR_CLIENT_KEYS; did you mean WEIR_CLIENT_KEY?'],
    });
  });

  it('do not include WEIR_ADMIN_KEY, which sets the key of the server', () => {
    const result = loaded({ WEIR_CLIENT_KEY: 'key of the client', WEIR_ADMIN_KEY: 'key of the server' });
    if (!result.ok) throw new Error(result.problems.join());
    expect(result.config.admin.key).toBe('key of the server');
  });
});
