// XMLHttpRequest for Node, as far as grpc-web needs it: headers, a body that comes in pieces, abort.
import { request } from 'node:http';

globalThis.XMLHttpRequest = class XMLHttpRequest {
  readyState = 0;
  status = 0;
  statusText = '';
  responseText = '';
  response = '';
  responseType = '';
  onreadystatechange = null;
  #res;
  #req;

  open(method, url) {
    this.#req = request(url, { method, agent: false });
    this.#to(1);
  }

  setRequestHeader(name, value) {
    this.#req.setHeader(name, value);
  }

  send(body) {
    this.#req.on('response', (res) => this.#onResponse(res));
    this.#req.on('error', () => this.#to(4));
    this.#req.end(
      body === undefined || body === null ? undefined : typeof body === 'string' ? body : Buffer.from(body),
    );
  }

  #onResponse(res) {
    this.#res = res;
    this.status = res.statusCode;
    this.statusText = res.statusMessage;
    this.#to(2);
    const chunks = [];
    res.on('data', (chunk) => {
      chunks.push(chunk);
      if (this.responseType !== 'arraybuffer') this.response = this.responseText += chunk.toString('latin1');
      this.#to(3);
    });
    res.on('end', () => {
      if (this.responseType === 'arraybuffer') this.response = new Uint8Array(Buffer.concat(chunks)).buffer;
      this.#to(4);
    });
    res.on('error', () => {
      this.status = 0;
      this.#to(4);
    });
  }

  abort() {
    this.onreadystatechange = null;
    this.#req.destroy();
  }

  getResponseHeader(name) {
    return this.#res?.headers[name.toLowerCase()] ?? null;
  }

  getAllResponseHeaders() {
    const lines = Object.entries(this.#res?.headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`);
    return lines.join('');
  }

  #to(state) {
    this.readyState = state;
    this.onreadystatechange?.();
  }
};
