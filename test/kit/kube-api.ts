// A Kubernetes API server for tests. It lists and watches pods over TLS, and can misbehave.
// Invariant: resource versions only grow, and a watch sends exactly the events after its version.
import { once } from 'node:events';
import { mkdtempSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './port.ts';
import type { PodObject } from './pod.ts';

const TOKEN = 'a-service-account-token';
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/kubernetes/${name}`, import.meta.url));

interface Change {
  version: number;
  type: string;
  object: unknown;
}

interface Selection {
  name: string | undefined;
  label: string | undefined;
}

const status = (code: number, reason: string, message: string) => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message,
  reason,
  code,
});

export class KubeApi {
  /** Folder with the files of a service account. */
  readonly credentials = mkdtempSync(join(tmpdir(), 'weir-kube-'));
  port = 0;
  /** Requests so far, by kind. */
  lists = 0;
  watches = 0;
  lastUrl = '';
  /** Responds with this status to all requests of a kind. */
  refuse: { list?: number; watch?: number } = {};
  /** Never responds to lists. */
  isHanging = false;
  /** Responds to lists with this text. */
  garbage: string | undefined;
  /** A watch from a version below this gets 410 Gone in its stream. */
  oldestVersion = 0;
  #version = 1000;
  readonly #pods = new Map<string, PodObject>();
  readonly #changes: Change[] = [];
  readonly #open = new Map<ServerResponse, Selection>();
  #server: Server | undefined;

  constructor() {
    copyFileSync(fixture('ca.crt'), join(this.credentials, 'ca.crt'));
    writeFileSync(join(this.credentials, 'token'), TOKEN);
    writeFileSync(join(this.credentials, 'namespace'), 'models');
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  get openWatches(): number {
    return this.#open.size;
  }

  async start(): Promise<this> {
    const tls = { key: readFileSync(fixture('server.key')), cert: readFileSync(fixture('ca.crt')) };
    // Not a port that the system may give to a connection while this server is stopped.
    if (this.port === 0) this.port = await freePort();
    this.#server = createServer(tls, (req, res) => this.#respond(req, res));
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  /** Stops and closes all connections. `start` starts it on the same port. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }

  /** Closes the connections of all watches. */
  dropWatches(): void {
    for (const res of this.#open.keys()) res.destroy();
  }

  put(pod: PodObject): void {
    const type = this.#pods.has(pod.metadata.name) ? 'MODIFIED' : 'ADDED';
    this.#pods.set(pod.metadata.name, pod);
    this.#emit(type, pod);
  }

  remove(name: string): void {
    const pod = this.#pods.get(name)!;
    this.#pods.delete(name);
    this.#emit('DELETED', pod);
  }

  /** Changes the list without an event. */
  putWithoutEvent(pod: PodObject): void {
    this.#pods.set(pod.metadata.name, pod);
    this.#version++;
  }

  /** Sends a line to every watch. */
  sendRaw(line: string): void {
    for (const res of this.#open.keys()) res.write(`${line}\n`);
  }

  #emit(type: string, pod: PodObject): void {
    const version = ++this.#version;
    const object = { ...pod, metadata: { ...pod.metadata, resourceVersion: String(version) } };
    this.#changes.push({ version, type, object });
    for (const [res, selection] of this.#open)
      if (isSelected(pod, selection)) res.write(`${JSON.stringify({ type, object })}\n`);
  }

  #respond(req: IncomingMessage, res: ServerResponse): void {
    const url = new URL(req.url!, this.url);
    this.lastUrl = req.url!;
    const isWatch = url.searchParams.get('watch') === 'true';
    if (isWatch) this.watches++;
    else this.lists++;
    const send = (code: number, body: unknown) => {
      res.writeHead(code, { 'content-type': 'application/json' });
      res.end(typeof body === 'string' ? body : JSON.stringify(body));
    };
    if (req.headers.authorization !== `Bearer ${TOKEN}`)
      return send(401, status(401, 'Unauthorized', 'Unauthorized'));
    const refused = isWatch ? this.refuse.watch : this.refuse.list;
    if (refused !== undefined)
      return send(
        refused,
        status(refused, 'Forbidden', 'pods is forbidden: User cannot list resource "pods"'),
      );
    if (url.pathname !== '/api/v1/namespaces/models/pods')
      return send(404, status(404, 'NotFound', 'not found'));
    const selection: Selection = {
      name: /^metadata\.name=(.*)$/.exec(url.searchParams.get('fieldSelector') ?? '')?.[1],
      label: url.searchParams.get('labelSelector') ?? undefined,
    };
    if (isWatch) return this.#stream(Number(url.searchParams.get('resourceVersion')), selection, res);
    if (this.isHanging) return;
    if (this.garbage !== undefined) return send(200, this.garbage);
    send(200, {
      kind: 'PodList',
      apiVersion: 'v1',
      metadata: { resourceVersion: String(this.#version) },
      items: [...this.#pods.values()].filter((pod) => isSelected(pod, selection)),
    });
  }

  #stream(from: number, selection: Selection, res: ServerResponse): void {
    res.writeHead(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' });
    res.flushHeaders();
    if (from < this.oldestVersion) {
      const object = status(410, 'Expired', `too old resource version: ${from} (${this.oldestVersion})`);
      res.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      return;
    }
    for (const { version, type, object } of this.#changes)
      if (version > from && isSelected(object as PodObject, selection))
        res.write(`${JSON.stringify({ type, object })}\n`);
    this.#open.set(res, selection);
    res.on('close', () => this.#open.delete(res));
  }
}

function isSelected(pod: PodObject, { name, label }: Selection): boolean {
  const [key = '', value] = (label ?? '').split('=');
  return (
    (name === undefined || pod.metadata.name === name) && (key === '' || pod.metadata.labels[key] === value)
  );
}
