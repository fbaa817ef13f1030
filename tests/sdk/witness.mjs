// A witness of transparency logs, written from the specifications alone (C2SP tlog-witness, tlog-cosignature, signed-note; RFC 9162).

import { createHash, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { createServer } from 'node:http';

const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();
const node = (left, right) => sha256(Buffer.from([1]), left, right);
const keyId = (name, typed) => sha256(Buffer.from(`${name}\n`), typed).subarray(0, 4);
const raw = (key) => Buffer.from(key.export({ format: 'jwk' }).x, 'base64url');
const ed25519 = (bytes) => createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') }, format: 'jwk' });

/** name+hash+key */
function vkey(name, type, publicKey) {
  const typed = Buffer.concat([Buffer.from([type]), publicKey]);
  return `${name}+${keyId(name, typed).toString('hex')}+${typed.toString('base64')}`;
}

/** The signatures of a note: name, key ID, bytes. */
export function readNote(text) {
  const end = text.lastIndexOf('\n\n');
  const body = text.slice(0, end + 1);
  const signatures = text.slice(end + 2).split('\n').filter(Boolean).map((line) => {
    const [, name, base64] = line.match(/^— (\S+) (\S+)$/);
    const bytes = Buffer.from(base64, 'base64');
    return { line, name, id: bytes.subarray(0, 4).toString('hex'), bytes: bytes.subarray(4) };
  });
  const [origin, size, root] = body.split('\n');
  return { body, signatures, origin, size: Number(size), root: Buffer.from(root, 'base64') };
}

/** RFC 9162, 2.1.4.2. */
export function hasGrown(first, firstRoot, second, secondRoot, proof) {
  if (first === 0) return proof.length === 0;
  if (first === second) return proof.length === 0 && firstRoot.equals(secondRoot);
  const path = (first & (first - 1)) === 0 ? [firstRoot, ...proof] : [...proof];
  if (path.length === 0) return false;
  let [fn, sn] = [first - 1, second - 1];
  while (fn % 2 === 1) [fn, sn] = [fn >>> 1, sn >>> 1];
  let [fr, sr] = [path[0], path[0]];
  for (const c of path.slice(1)) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      [fr, sr] = [node(c, fr), node(c, sr)];
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn >>> 1, sn >>> 1];
    } else {
      sr = node(sr, c);
    }
    [fn, sn] = [fn >>> 1, sn >>> 1];
  }
  return sn === 0 && fr.equals(firstRoot) && sr.equals(secondRoot);
}

export class Witness {
  /** Listens on loopback. It knows no log yet. */
  static async start(name) {
    const witness = new Witness();
    Object.assign(witness, { name, ...generateKeyPairSync('ed25519'), size: 0, root: null, asked: [], trouble: [] });
    witness.server = createServer((request, response) => witness.#answer(request, response));
    await new Promise((ready) => witness.server.listen(0, '127.0.0.1', ready));
    witness.url = `http://127.0.0.1:${witness.server.address().port}`;
    return witness;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }

  get vkey() {
    return vkey(this.name, 4, raw(this.publicKey));
  }

  /** From here on it knows the log with this key. */
  trusts(logKey) {
    const [, name, id, base64] = logKey.trim().match(/^([^+]+)\+([0-9a-f]{8})\+(.+)$/);
    this.log = { name, id, key: ed25519(Buffer.from(base64, 'base64').subarray(1)) };
  }

  /** The signature line under a note's body. */
  cosign(body, key = this.privateKey) {
    const time = BigInt(Math.floor(Date.now() / 1000));
    const stamp = Buffer.alloc(8);
    stamp.writeBigUInt64BE(time);
    const signature = sign(null, Buffer.from(`cosignature/v1\ntime ${time}\n${body}`), key);
    const typed = Buffer.concat([Buffer.from([4]), raw(this.publicKey)]);
    return `— ${this.name} ${Buffer.concat([keyId(this.name, typed), stamp, signature]).toString('base64')}\n`;
  }

  /** Whether a note carries this witness's valid cosignature. */
  hasCosigned(text) {
    const { body, signatures } = readNote(text);
    const [, id] = this.vkey.match(/\+([0-9a-f]{8})\+/);
    const mine = signatures.find((s) => s.name === this.name && s.id === id);
    if (!mine) return false;
    const time = mine.bytes.readBigUInt64BE(0);
    return verify(null, Buffer.from(`cosignature/v1\ntime ${time}\n${body}`), this.publicKey, mine.bytes.subarray(8));
  }

  async #answer(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const [status, text, type = 'text/plain'] = this.#judge(request, Buffer.concat(chunks).toString('utf8'));
    response.writeHead(status, { 'content-type': type }).end(text);
  }

  #judge(request, text) {
    if (request.method !== 'POST' || request.url !== '/add-checkpoint') return [404, 'no such page'];
    const [, old, lines, checkpoint] = text.match(/^old (0|[1-9]\d*)\n((?:[A-Za-z0-9+/=]+\n)*)\n([\s\S]+)$/) ?? [];
    if (old === undefined) return [400, 'malformed'];
    const head = readNote(checkpoint);
    this.asked.push({ old: Number(old), size: head.size });
    const trouble = this.trouble.shift();
    if (trouble) return trouble(head);
    if (head.origin !== this.log?.name) return [404, 'unknown log'];
    const own = head.signatures.find((s) => s.name === this.log.name && s.id === this.log.id);
    if (!own || !verify(null, Buffer.from(head.body), this.log.key, own.bytes)) return [403, 'not signed'];
    if (Number(old) > head.size) return [400, 'old size above size'];
    if (Number(old) !== this.size) return [409, `${this.size}\n`, 'text/x.tlog.size'];
    const proof = lines.split('\n').filter(Boolean).map((line) => Buffer.from(line, 'base64'));
    if (proof.length > 63) return [400, 'too many lines'];
    if (!hasGrown(this.size, this.root, head.size, head.root, proof)) return [422, 'inconsistent'];
    Object.assign(this, { size: head.size, root: head.root });
    return [200, this.cosign(head.body)];
  }
}
