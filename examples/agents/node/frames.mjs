// Frames of docs/protocol/links.md: signed batches of messages. Ed25519 is node:crypto's.
import { createHash, createPublicKey, sign, verify } from 'node:crypto';

const WINDOW = 64n;
const DER_PREFIX = Buffer.from('302a300506032b6570032100', 'hex'); // SubjectPublicKeyInfo of Ed25519, before the 32 bytes

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();

export const publicKeyOf = (base64url) => createPublicKey({ key: Buffer.concat([DER_PREFIX, Buffer.from(base64url, 'base64url')]), format: 'der', type: 'spki' });
export const publicBytes = (key) => key.export({ format: 'der', type: 'spki' }).subarray(DER_PREFIX.length);
export const keyId = (publicBytes) => 'k-' + sha256(publicBytes).toString('hex').slice(0, 16);

function signedBytes(header, lines) {
  const text = ['mesh30k-frame-v1', 'FRAME', header.from, header.to, header.epoch, header.seq, header.sent_at, header.expires_at, header.key, lines.length]
    .concat(lines.map((line) => sha256(line).toString('hex')))
    .map((line) => line + '\n').join('');
  let node = sha256(Buffer.of(0), text);
  for (const entry of header.path ?? []) {
    const other = Buffer.from(entry.slice(1), 'base64url');
    node = entry[0] === 'l' ? sha256(Buffer.of(1), other, node) : sha256(Buffer.of(1), node, other);
  }
  return Buffer.concat([Buffer.from('mesh30k-root-v1\n'), node]);
}

/** One session's frames, both ways. `clock()` is the mesh's time in ms; before CHALLENGE it is null. */
export class Frames {
  constructor(self, mesh, key, keyName, meshKeyOf, clock) {
    Object.assign(this, { self, mesh, key, keyName, meshKeyOf, clock, epoch: 0, seq: 0, highest: 0n, seen: new Set() });
  }

  write(messages) {
    const lines = messages.map((message) => JSON.stringify(message));
    const now = this.clock();
    const header = {
      type: 'FRAME', from: this.self, to: this.mesh, epoch: this.epoch, seq: ++this.seq,
      sent_at: new Date(now).toISOString(), expires_at: new Date(now + 30_000).toISOString(), key: this.keyName,
    };
    header.sig = sign(null, signedBytes(header, lines), this.key).toString('base64url');
    return [JSON.stringify(header), ...lines].join('\n');
  }

  /** The messages of a frame that holds, as texts; throws for any other. The order of the checks is that of links.md. */
  read(text) {
    const [first, ...lines] = text.split('\n');
    const header = JSON.parse(first);
    if (header.type !== 'FRAME' || lines.length < 1 || lines.length > 256 || !Number.isSafeInteger(header.epoch) || !Number.isSafeInteger(header.seq) || (header.path ?? []).length > 16) throw new Error('not a frame');
    if (header.to !== this.self || header.from !== this.mesh) throw new Error('not from my mesh to me');
    if (this.epoch !== 0 && header.epoch !== this.epoch) throw new Error('of another session');
    const [sent, expires] = [Date.parse(header.sent_at), Date.parse(header.expires_at)];
    const now = this.clock() ?? sent;
    if (!(now <= expires && sent < expires && expires - sent <= 300_000 && sent - now <= 60_000)) throw new Error('its time is over, or cannot be');
    const key = this.meshKeyOf(header.key);
    if (!key) throw new Error('not signed by a key of the mesh');
    const seq = BigInt(header.seq);
    if (this.seen.has(seq) || seq < this.highest - WINDOW || seq < 1n) throw new Error('that number was seen');
    if (!verify(null, signedBytes(header, lines), key, Buffer.from(header.sig, 'base64url'))) throw new Error('the signature does not hold');
    this.epoch = header.epoch;
    if (seq > this.highest) this.highest = seq;
    this.seen.add(seq);
    for (const old of this.seen) if (old < this.highest - WINDOW) this.seen.delete(old);
    return lines;
  }
}

/** The text of one field of a JSON object as it stands there: the payload's hash is over these very bytes. */
export function rawField(line, name) {
  let at = line.indexOf('{') + 1;
  const skip = () => { while (/[\s,:]/.test(line[at])) at++; };
  const string = () => { const start = at++; while (line[at] !== '"') at += line[at] === '\\' ? 2 : 1; return line.slice(start, ++at); };
  const value = () => {
    const start = at;
    for (let depth = 0; at < line.length;) {
      if (line[at] === '"') string();
      else if ('{['.includes(line[at])) { depth++; at++; }
      else if ('}]'.includes(line[at])) { if (depth === 0) break; depth--; at++; }
      else if (depth === 0 && /[,\s]/.test(line[at])) break;
      else { at++; continue; }
      if (depth === 0) break;
    }
    return line.slice(start, at);
  };
  for (skip(); line[at] === '"'; skip()) {
    const key = JSON.parse(string());
    skip();
    const found = value();
    if (key === name) return found;
  }
  return null;
}

export const payloadHash = (raw) => 'sha256:' + sha256(raw).toString('hex');
