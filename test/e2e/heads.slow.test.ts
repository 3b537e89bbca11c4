// Heads of requests and responses in both lanes, byte by byte: what passes, what is removed, what is rejected.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { closeReplicas } from '../kit/replica.ts';
import { exchangeBytes, fieldValues, startByteReplica, type ByteReplica } from '../kit/byte-replica.ts';
import { startWeir, type Weir } from '../kit/weir.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const UPGRADE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n';
/** UTF-8, and single bytes that are not UTF-8. */
const NAME = 'caf\u00c3\u00a9 \u00e6\u00a8\u00a1\u00fc\u00ff\u0080';

/** A request that ends its connection. `lines`: header lines, each with its line end. */
const requestText = (lines = '', line = 'GET /x HTTP/1.1', body = ''): string =>
  `${line}\r\nHost: x\r\nConnection: close\r\n${lines}\r\n${body}`;

const statusOf = (received: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(received)?.[1]);
const errorOf = (received: string) =>
  JSON.parse(received.slice(received.indexOf('\r\n\r\n') + 4)) as {
    error: string;
    error_code: string;
    request_id: string;
  };
/** The responses in the bytes that a client received: interim ones, then the final one with its body. */
const responsesIn = (received: string): string[] => received.split(/(?=HTTP\/1\.1 \d{3})/);

describe.each([
  ['fast', []],
  ['full', ['--proxy-fast-lane=false']],
])('the %s lane', (_, args) => {
  let replica: ByteReplica;
  let weir: Weir;

  beforeAll(async () => {
    replica = await startByteReplica();
    weir = await startWeir([
      '--replica',
      replica.replica.url,
      '--pool-probe-interval=1d',
      '--proxy-retry-methods=',
      ...args,
    ]);
  });
  beforeEach(() => {
    replica.next = [OK];
    replica.closes = false;
    replica.heads.length = 0;
  });
  afterEach(async () => {
    await weir.expectMetric('baseten_concurrent_requests', 0);
    await weir.expectMetric('weir_replica_outstanding_requests{deployment_id="local",replica="r0"}', 0);
  });
  afterAll(async () => {
    await weir.stop('SIGKILL');
    await closeReplicas();
  });

  /** Sends a request. Returns the head that the replica got, and all bytes that the client got. */
  const exchange = async (...pieces: string[]) => {
    const got = await exchangeBytes(weir.port, pieces);
    return { head: replica.heads.at(-1) ?? '', got };
  };

  describe('bytes of 0x80 and above in a head', () => {
    it.each([
      ['plain', ''],
      ['with trailers allowed', 'TE: gzip, trailers\r\n'],
    ])('pass in a request: %s', async (_, more) => {
      const lines = `X-Name: ${NAME}\r\nX-Forwarded-For: ${NAME}\r\nForwarded: for="${NAME}"\r\n${more}`;
      const { head, got } = await exchange(requestText(lines));
      expect(statusOf(got)).toBe(200);
      expect(fieldValues(head, 'x-name')).toEqual([NAME]);
      expect(fieldValues(head, 'x-forwarded-for')).toEqual([`${NAME}, 127.0.0.1`]);
      expect(fieldValues(head, 'forwarded')[0]).toMatch(new RegExp(`^for="${NAME}", for=127`));
      expect(fieldValues(head, 'x-baseten-request-id')[0]).toMatch(/^[0-9a-f]{37}$/);
    });

    it('pass in a request with a length and a file name', async () => {
      for (const te of ['', 'TE: gzip, trailers\r\n']) {
        const lines = `Content-Length: 2\r\nContent-Disposition: form-data; filename="${NAME}"\r\n${te}`;
        const { head } = await exchange(requestText(lines, 'POST /x HTTP/1.1', 'hi'));
        expect(fieldValues(head, 'content-disposition')).toEqual([`form-data; filename="${NAME}"`]);
        expect(fieldValues(head, 'content-length')).toEqual(['2']);
      }
    });

    it('pass in a request of HTTP/1.0', async () => {
      const { head } = await exchange(requestText(`X-Name: ${NAME}\r\n`, 'GET /x HTTP/1.0'));
      expect(fieldValues(head, 'x-name')).toEqual([NAME]);
    });

    it('are rejected in a target, which is ASCII (RFC 9112 3.2, RFC 3986 2)', async () => {
      for (const target of ['/caf\u00c3\u00a9', '/x?q=\u00fc'])
        expect(statusOf((await exchange(requestText('', `GET ${target} HTTP/1.1`))).got)).toBe(400);
    });

    it.each([
      ['with a length', 'Content-Length: 2\r\n', 'ok'],
      ['in chunks', 'Transfer-Encoding: chunked\r\n', '2\r\nok\r\n0\r\n\r\n'],
      ['until the connection closes', '', 'ok'],
    ])('pass in a response: %s', async (_, framing, body) => {
      replica.closes = framing === '';
      const disposition = `attachment; filename="${NAME}"`;
      replica.next = [
        `HTTP/1.1 200 ${NAME}\r\n${framing}X-Name: ${NAME}\r\nContent-Disposition: ${disposition}\r\n\r\n${body}`,
      ];
      for (const te of ['', 'TE: gzip, trailers\r\n'])
        for (const version of ['1.1', '1.0']) {
          const { got } = await exchange(requestText(te, `GET /x HTTP/${version}`));
          expect(got.startsWith(`HTTP/1.1 200 ${NAME}\r\n`), got).toBe(true);
          expect(fieldValues(got, 'x-name')).toEqual([NAME]);
          expect(fieldValues(got, 'content-disposition')).toEqual([disposition]);
          expect(fieldValues(got, 'x-baseten-request-id')[0]).toMatch(/^[0-9a-f]{37}$/);
        }
    });

    it.each([
      ['to HEAD', 'HEAD', 200],
      ['no content', 'GET', 204],
      ['not modified', 'GET', 304],
    ])('pass in a response without a body: %s', async (_, method, status) => {
      replica.next = [`HTTP/1.1 ${status} ${NAME}\r\nX-Name: ${NAME}\r\nX-A: 1\r\n\r\n`];
      const { got } = await exchange(requestText('TE: gzip, trailers\r\n', `${method} /x HTTP/1.1`));
      expect(got.startsWith(`HTTP/1.1 ${status} ${NAME}\r\n`), got).toBe(true);
      expect(fieldValues(got, 'x-name')).toEqual([NAME]);
    });

    it('pass in trailers', async () => {
      replica.next = [
        `HTTP/1.1 200 OK\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: ${NAME}\r\n\r\n`,
      ];
      const { got } = await exchange(requestText('TE: gzip, trailers\r\n'));
      expect(got.endsWith(`\r\n0\r\nX-Sum: ${NAME}\r\n\r\n`), got).toBe(true);
    });

    it('pass in an interim response', async () => {
      replica.next = [`HTTP/1.1 103 ${NAME}\r\nX-Name: ${NAME}\r\n\r\n${OK}`];
      for (const te of ['', 'TE: gzip, trailers\r\n']) {
        const [interim, final] = responsesIn((await exchange(requestText(te))).got);
        expect(interim).toBe(`HTTP/1.1 103 ${NAME}\r\nX-Name: ${NAME}\r\n\r\n`);
        expect(statusOf(final!)).toBe(200);
      }
    });

    it('pass in both heads of a WebSocket upgrade', async () => {
      replica.next = [
        `HTTP/1.1 103 Early\r\nX-Name: ${NAME}\r\n\r\n`,
        `HTTP/1.1 101 ${NAME}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Name: ${NAME}\r\n` +
          `Set-Cookie: a=${NAME}\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n\u0081\u0002hi`,
      ];
      const got = await exchangeBytes(
        weir.port,
        [`GET /ws HTTP/1.1\r\nHost: x\r\n${UPGRADE}X-Name: ${NAME}\r\n\r\n`],
        (received) => received.endsWith('\u0081\u0002hi'),
      );
      expect(fieldValues(replica.heads.at(-1)!, 'x-name')).toEqual([NAME]);
      const [interim, switched] = responsesIn(got);
      expect(interim).toBe(`HTTP/1.1 103 Early\r\nX-Name: ${NAME}\r\n\r\n`);
      expect(switched!.startsWith(`HTTP/1.1 101 ${NAME}\r\n`), switched).toBe(true);
      expect(fieldValues(switched!, 'x-name')).toEqual([NAME]);
      expect(fieldValues(switched!, 'set-cookie')).toEqual([`a=${NAME}`, 'b=2']);
      expect(fieldValues(switched!, 'upgrade')).toEqual(['websocket']);
      expect(fieldValues(switched!, 'connection')).toEqual(['Upgrade']);
      expect(fieldValues(switched!, 'content-length')).toEqual([]);
      expect(fieldValues(switched!, 'x-baseten-request-id')[0]).toMatch(/^[0-9a-f]{37}$/);
    });

    it.each([
      'Content-Length: 5\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Content-Length: 0\r\nTransfer-Encoding: chunked\r\n',
    ])('pass in an upgrade whose 101 has %j, which is removed', async (framing) => {
      replica.next = [
        `HTTP/1.1 101 Switching\r\n${framing}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n\u0081\u0002hi`,
      ];
      const got = await exchangeBytes(
        weir.port,
        [`GET /ws HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`],
        (received) => received.endsWith('\u0081\u0002hi'),
      );
      const [switched] = responsesIn(got);
      expect(statusOf(switched!)).toBe(101);
      for (const name of ['content-length', 'transfer-encoding'])
        expect(fieldValues(switched!, name)).toEqual([]);
    });

    it('pass in a response that refuses an upgrade', async () => {
      replica.next = [`HTTP/1.1 403 ${NAME}\r\nX-Name: ${NAME}\r\nContent-Length: 2\r\n\r\nno`];
      const { got } = await exchange(`GET /ws HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`);
      expect(got.startsWith(`HTTP/1.1 403 ${NAME}\r\n`), got).toBe(true);
      expect(fieldValues(got, 'x-name')).toEqual([NAME]);
      expect(got.endsWith('no')).toBe(true);
    });
  });

  describe('trace headers with tracing off', () => {
    const valid = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331';
    const state = 'tracestate: a=1\r\ntracestate: b=2\r\n';

    it.each(['00', '01', '02', '03', 'ff'])('pass if the traceparent is valid: flags %s', async (flags) => {
      for (const te of ['', 'TE: gzip, trailers\r\n']) {
        const { head } = await exchange(requestText(`traceparent: ${valid}-${flags}\r\n${state}${te}`));
        expect(fieldValues(head, 'traceparent')).toEqual([`${valid}-${flags}`]);
        expect(fieldValues(head, 'tracestate').join(',')).toBe('a=1,b=2');
      }
    });

    it.each([
      ['no traceparent', ''],
      ['an invalid traceparent', 'traceparent: junk\r\n'],
      ['a traceparent of zeros', `traceparent: 00-${'0'.repeat(32)}-b7ad6b7169203331-01\r\n`],
      ['two traceparents', `traceparent: ${valid}-01\r\nTraceParent: ${valid}-01\r\n`],
      [
        'two traceparents of different versions',
        `traceparent: cc-${valid.slice(3)}-01-x\r\ntraceparent: ${valid}-01\r\n`,
      ],
    ])('are both removed if the client sent %s', async (_, lines) => {
      for (const te of ['', 'TE: gzip, trailers\r\n', UPGRADE]) {
        const { head } = await exchange(
          te === UPGRADE
            ? `GET /ws HTTP/1.1\r\nHost: x\r\n${UPGRADE}${lines}${state}\r\n`
            : requestText(lines + state + te),
        );
        expect(fieldValues(head, 'x-baseten-request-id')).toHaveLength(1);
        expect(fieldValues(head, 'traceparent')).toEqual([]);
        expect(fieldValues(head, 'tracestate')).toEqual([]);
      }
    });
  });

  describe('header names that resemble those of weir', () => {
    it('are removed from a request', async () => {
      const lines = [
        'X_Baseten_Request_Id',
        'x-baseten_request-id',
        'X_Forwarded_For',
        'X-Forwarded_For',
        'x_forwarded-PROTO',
        'X_Forwarded_Host',
        'X_BASETEN_MODEL_PREDICTION_ATTEMPTS',
        'Server_Timing',
      ];
      const forged = lines.map((name) => `${name}: forged\r\n`).join('');
      for (const te of ['', 'TE: gzip, trailers\r\n', UPGRADE]) {
        const { head } = await exchange(
          te === UPGRADE
            ? `GET /ws HTTP/1.1\r\nHost: x\r\nX_Other: 1\r\n${forged}${UPGRADE}\r\n`
            : requestText(`X_Other: 1\r\n${forged}${te}`),
        );
        expect(head).not.toContain('forged');
        expect(fieldValues(head, 'x_other')).toEqual(['1']);
        expect(fieldValues(head, 'x-forwarded-for')).toEqual(['127.0.0.1']);
      }
    });

    it('are removed from a response', async () => {
      replica.next = [
        'HTTP/1.1 200 OK\r\nX_Baseten_Request_Id: forged\r\nx_weir-cause: forged\r\nX_A: 1\r\nContent-Length: 2\r\n\r\nok',
      ];
      const { got } = await exchange(requestText());
      expect(got).not.toContain('forged');
      expect(fieldValues(got, 'x_a')).toEqual(['1']);
    });
  });

  describe('a Host header', () => {
    it.each([
      'a b', 'a, b', 'http://a/', 'a@b', 'a/b', '[::1', 'a"b', '[::1]x', '[::1]:x', 'a:b', 'a:80:80', '::1', 'a?b',
      'a#b', 'a\\b', '%zz', 'a%4', 'caf\u00c3\u00a9', '[fe80::1%25eth0]', '[fe80::1%eth0]', '[::g]', '[]', ':80',
      '<a>', 'a{b}', 'a|b', '[v1.]', '[1.2.3.4]', 'a\tb',
    ])('is rejected with 400 and an error text if it is %j', async (host) => {
      for (const te of ['', 'TE: gzip, trailers\r\n']) {
        const { got } = await exchange(`GET /x HTTP/1.1\r\nHost: ${host}\r\n${te}\r\n`);
        expect(statusOf(got), got).toBe(400);
        expect(errorOf(got).error).toContain('the Host header must be a host, or host:port');
        const words = Buffer.from(got, 'latin1').toString();
        expect(errorOf(words).error).toContain(JSON.stringify(Buffer.from(host, 'latin1').toString()));
      }
      expect(statusOf((await exchange(`GET /ws HTTP/1.1\r\nHost: ${host}\r\n${UPGRADE}\r\n`)).got)).toBe(400);
      expect(statusOf((await exchange(`GET /x HTTP/1.0\r\nHost: ${host}\r\n\r\n`)).got)).toBe(400);
      expect(
        statusOf((await exchange(`GET http://a/x HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).got),
      ).toBe(400);
      expect(replica.heads).toEqual([]);
    }); // prettier-ignore

    it.each([
      'a', 'a.example', 'a.example:8443', 'a_b', 'a-b.', 'a:', '[::1]', '[::1]:8080', '[::ffff:1.2.3.4]', '10.0.0.1:80',
      'a%41', "a!$&'()*+,;=", 'xn--caf-dma.example', '[v1.a:b]', '~a', '[2001:DB8::1]:',
    ])('passes unchanged if it is %j', async (host) => {
      for (const te of ['', 'TE: gzip, trailers\r\n']) {
        const { head, got } = await exchange(`GET /x HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${te}\r\n`);
        expect(statusOf(got), got).toBe(200);
        expect(fieldValues(head, 'host')).toEqual([host]);
        expect(fieldValues(head, 'x-forwarded-host')).toEqual([host]);
      }
      const absolute = await exchange(`GET http://${host}/x HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n`);
      expect(fieldValues(absolute.head, 'host')).toEqual([host]);
    }); // prettier-ignore

    it('passes unchanged if it is empty', async () => {
      const { head, got } = await exchange('GET /x HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n');
      expect([statusOf(got), fieldValues(head, 'host')]).toEqual([200, ['']]);
    });

    it.each(['http://a b/x', 'http://a@b/x', 'http://[::1/x', 'http:///x', 'http://:80/x', 'http://a"b/x', 'http://%zz/x'])(
      'is overridden by the target %s, which is rejected with 400 since its host is invalid',
      async (target) => {
        expect(statusOf((await exchange(requestText('', `GET ${target} HTTP/1.1`))).got)).toBe(400);
        expect(replica.heads).toEqual([]);
      },
    ); // prettier-ignore
  });

  describe('a request of HTTP/1.0', () => {
    it('gets no interim response, and its Expect header is ignored', async () => {
      replica.next = [`HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n${OK}`];
      for (const lines of ['', 'Expect: 100-continue\r\nContent-Length: 0\r\n', 'Expect: miracles\r\n']) {
        const { got } = await exchange(requestText(lines, 'POST /x HTTP/1.0'));
        expect(responsesIn(got).map(statusOf), got).toEqual([200]);
      }
    });
  });

  describe('an interim response', () => {
    it.each([
      ['102', 'HTTP/1.1 102 Processing\r\nX-A: 1\r\n\r\n'],
      ['150, which is not registered', 'HTTP/1.1 150 Odd\r\nX-A: 1\r\n\r\n'],
      ['103 without Link', 'HTTP/1.1 103 Early Hints\r\nX-A: 1\r\nX-A: 2\r\n\r\n'],
      ['103 with its fields', 'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nLink: foo\r\nX-A: 1\r\n\r\n'],
      ['199 without headers', 'HTTP/1.1 199 \r\n\r\n'],
    ])('passes unchanged with status %s', async (_, interim) => {
      replica.next = [interim, interim, OK];
      for (const te of ['', 'TE: gzip, trailers\r\n']) {
        const responses = responsesIn((await exchange(requestText(te))).got);
        expect(responses.slice(0, 2)).toEqual([interim, interim]);
        expect(responses.slice(2).map(statusOf)).toEqual([200]);
      }
    }); // prettier-ignore

    it('passes without hop-by-hop fields and fields that frame a body', async () => {
      replica.next = [
        'HTTP/1.1 103 E\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nConnection: x-hop\r\nX-Hop: 1\r\n' +
          `Keep-Alive: timeout=1\r\nX-Baseten-Request-Id: theirs\r\nX-A: 1\r\n\r\n${OK}`,
      ];
      const [interim] = responsesIn((await exchange(requestText())).got);
      expect(interim).toBe('HTTP/1.1 103 E\r\nX-A: 1\r\n\r\n');
    });

    it('is dropped if its status is 100', async () => {
      replica.next = [`HTTP/1.1 100 Continue\r\n\r\n${OK}`];
      expect(responsesIn((await exchange(requestText())).got).map(statusOf)).toEqual([200]);
    });
  });

  describe('a response', () => {
    it.each([
      'RTSP/1.0 200 OK', 'RTSP/1.1 200 OK', 'ICE/1.0 200 OK', 'ICY 200 OK', 'HTTP/0.9 200 OK', 'HTTP/2.0 200 OK',
      'HTTP/1.2 200 OK', 'HTTP/1.10 200 OK', 'http/1.1 200 OK', 'HTTP/11 200 OK', 'HTTP/1.1  200 OK', ' HTTP/1.1 200 OK',
      'HTTP/1.1 20 OK', 'HTTP/1.1 2000 OK', 'HTTP/1.1 099 OK', 'HTTP/1.1', 'SIP/2.0 200 OK', '\r\nHTTP/1.1 200 OK',
    ])('is replaced by 502 if its status line is %j', async (line) => {
      for (const response of [`${line}\r\nContent-Length: 2\r\n\r\nok`, `HTTP/1.1 103 E\r\n\r\n${line}\r\nContent-Length: 2\r\n\r\nok`]) {
        replica.next = [response];
        for (const te of ['', 'TE: gzip, trailers\r\n']) {
          const final = responsesIn((await exchange(requestText(te))).got).at(-1)!;
          expect(statusOf(final), final).toBe(502);
          expect(fieldValues(final, 'x-weir-cause')).toEqual(['bad_response']);
        }
      }
      replica.next = [`${line}\r\nContent-Length: 2\r\n\r\nok`];
      const { got } = await exchange(`GET /ws HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`);
      expect(statusOf(got)).toBe(502);
    }); // prettier-ignore

    it.each(['HTTP/1.1 200', 'HTTP/1.1 200 ', 'HTTP/1.0 200 OK', 'HTTP/1.1 999 Odd'])(
      'passes if its status line is %j',
      async (line) => {
        replica.next = [`${line}\r\nContent-Length: 2\r\n\r\nok`];
        replica.closes = true;
        const { got } = await exchange(requestText());
        expect(statusOf(got)).toBe(Number(line.slice(9, 12)));
        expect(got.endsWith('\r\n\r\nok')).toBe(true);
      },
    );

    it.each([
      ['a length', 'Content-Length: 5\r\n'],
      ['a transfer coding', 'Transfer-Encoding: chunked\r\n'],
      ['both', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'],
    ])('passes without it if its status is 204 and it has %s', async (_, lines) => {
      replica.next = [`HTTP/1.1 204 No\r\n${lines}X-A: 1\r\n\r\n`];
      for (const te of ['', 'TE: gzip, trailers\r\n']) {
        const { got } = await exchange(requestText(te));
        expect(statusOf(got)).toBe(204);
        expect(fieldValues(got, 'content-length')).toEqual([]);
        expect(fieldValues(got, 'transfer-encoding')).toEqual([]);
        expect(fieldValues(got, 'x-a')).toEqual(['1']);
      }
    });

    it.each([
      ['the same length twice', 'Content-Length: 2\r\nContent-Length: 2\r\n'],
      ['a length that is repeated in its value', 'Content-Length: 2, 2\r\n'],
      ['a length that is repeated in both ways', 'content-length: 2 ,2\r\nX-A: 1\r\nContent-Length: 2\r\n'],
    ])('passes with one length if it has %s', async (_, lines) => {
      replica.next = [`HTTP/1.1 200 OK\r\n${lines}\r\nok`];
      for (const te of ['', 'TE: gzip, trailers\r\n']) {
        const { got } = await exchange(requestText(te));
        expect([statusOf(got), fieldValues(got, 'content-length')]).toEqual([200, ['2']]);
        expect(got.endsWith('\r\n\r\nok')).toBe(true);
      }
      // The replica sends a body to HEAD as well, which must not reach the client.
      const head = await exchange(requestText('TE: gzip, trailers\r\n', 'HEAD /x HTTP/1.1'));
      expect(head.got.endsWith('\r\n\r\n')).toBe(true);
      expect(fieldValues(head.got, 'content-length')).toEqual(['2']);
    });

    it.each([
      ['two different lengths', 'Content-Length: 2\r\nContent-Length: 3\r\n'],
      ['two different lengths in a value', 'Content-Length: 2, 3\r\n'],
      ['an incomplete list of lengths', 'Content-Length: 2,\r\n'],
      ['a signed length', 'Content-Length: +2\r\n'],
      ['both framings', 'Content-Length: 2\r\nTransfer-Encoding: chunked\r\n'],
      ['another coding', 'Transfer-Encoding: gzip, chunked\r\n'],
      ['a folded line', 'X-A: 1\r\n 2\r\nContent-Length: 2\r\n'],
      ['a space before the colon', 'Content-Length : 2\r\n'],
    ])('is replaced by 502 if it has %s', async (_, lines) => {
      replica.next = [`HTTP/1.1 200 OK\r\n${lines}\r\nok`];
      for (const te of ['', 'TE: gzip, trailers\r\n'])
        expect(statusOf((await exchange(requestText(te))).got)).toBe(502);
    });

    it.each([
      ['HEAD', 200, 'Content-Length: 0\r\nTransfer-Encoding: chunked\r\n'],
      ['HEAD', 404, 'Transfer-Encoding: chunked\r\nX-A: 1\r\nContent-Length: 7\r\n'],
      ['GET', 304, 'Content-Length: 7\r\nTransfer-Encoding: chunked\r\n'],
    ])(
      'responds to %s with %d and both framings, and passes without the length',
      async (method, status, lines) => {
        replica.next = [`HTTP/1.1 ${status} S\r\n${lines}\r\n`];
        for (const te of ['', 'TE: gzip, trailers\r\n']) {
          const { got } = await exchange(requestText(te, `${method} /x HTTP/1.1`));
          expect([statusOf(got), fieldValues(got, 'content-length')]).toEqual([status, []]);
          expect(got.endsWith('\r\n\r\n')).toBe(true);
        }
      },
    );

    it('is replaced by 502 if its head exceeds 64 KiB, however it is split', async () => {
      const head = `HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: ${'a'.repeat(70_000)}\r\n\r\nok`;
      for (const first of [10_000, 60_000, 66_000]) {
        replica.next = [head.slice(0, first), head.slice(first)];
        expect(statusOf((await exchange(requestText())).got), `${first} bytes first`).toBe(502);
      }
    });

    it('passes whole with more than a thousand header lines', async () => {
      replica.next = [`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(3000)}Content-Length: 2\r\n\r\nok`];
      for (const te of ['', 'TE: gzip, trailers\r\n'])
        expect(fieldValues((await exchange(requestText(te))).got, 'a')).toHaveLength(3000);
    });
  });

  describe('a request', () => {
    it.each([
      ['gzip, chunked', 501],
      ['GZIP , chunked', 501],
      ['x-unknown;q=1, chunked', 501],
      ['identity, chunked', 501],
      ['gzip', 400],
      ['chunked, gzip', 400],
      ['chunked, chunked', 400],
      ['b@d, chunked', 400],
      [', chunked', 400],
    ])('has Transfer-Encoding %j, and gets %d', async (coding, status) => {
      const { got } = await exchange(
        `POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n`,
      );
      expect(statusOf(got), got).toBe(status);
      if (status === 501) {
        expect(errorOf(got)).toMatchObject({ error_code: 'client_error' });
        expect(errorOf(got).error).toContain('chunked');
      }
      expect(fieldValues(got, 'x-baseten-request-id')[0]).toMatch(/^[0-9a-f]{37}$/);
      expect(replica.heads).toEqual([]);
    });

    it.each([
      ['BREW', 501],
      ['get', 501],
      ['GETX', 501],
      ['G', 501],
      ['DESCRIBE', 501],
      ['VERYLONGMETHODNAMETHATNOBODYKNOWS', 501],
      ['G@T', 400],
      ['B(REW', 400],
      ['\u00fc', 400],
    ])('has the method %j, and gets %d', async (method, status) => {
      const cause = status === 501 ? 'not_implemented' : 'bad_request';
      const before = (await weir.page()).sum('weir_exchanges_total', `cause="${cause}"`);
      const { got } = await exchange(`${method} / HTTP/1.1\r\nHost: x\r\n\r\n`);
      expect(statusOf(got), got).toBe(status);
      expect(fieldValues(got, 'x-weir-cause')).toEqual([cause]);
      expect(errorOf(got).request_id).toMatch(/^[0-9a-f]{37}$/);
      expect((await weir.page()).sum('weir_exchanges_total', `cause="${cause}"`)).toBe(before + 1);
    });

    it('is closed without a response if it is TLS', async () => {
      // The beginning of a handshake (RFC 8446 5.1).
      const { got } = await exchange('\u0016\u0003\u0001\u0002');
      expect(got).toBe('');
    });

    it.each(['SSH-2.0-client\r\n', 'HTTP/1.1 200 OK\r\n', 'BREW\r\n', 'BREW / FTP/1.0\r\n'])(
      'is rejected with 400 if it is not HTTP: %j',
      async (line) => {
        expect(statusOf((await exchange(`${line}\r\n`)).got)).toBe(400);
      },
    ); // prettier-ignore

    it.each([
      ['a length', 'Content-Length: 5\r\n', 'hello'],
      ['chunks', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'],
    ])('is rejected with 400 if it asks for a WebSocket with %s and a body', async (_, lines, body) => {
      const { got } = await exchange(`GET /ws HTTP/1.1\r\nHost: x\r\n${UPGRADE}${lines}\r\n${body}`);
      expect(statusOf(got), got).toBe(400);
      expect(errorOf(got).error).toContain('a WebSocket handshake must have no body');
      expect(replica.heads).toEqual([]);
    });

    it('passes if it asks for a WebSocket with a length of 0', async () => {
      await exchange(`GET /ws HTTP/1.1\r\nHost: x\r\n${UPGRADE}Content-Length: 0\r\n\r\n`);
      expect(fieldValues(replica.heads.at(-1)!, 'upgrade')).toEqual(['websocket']);
    });
  });
});
