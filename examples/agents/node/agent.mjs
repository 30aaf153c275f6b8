// A WebSocket agent of a mesh in Node 20: hashes files, or asks an LLM. The wire is docs/protocol/links.md.
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import WebSocket from 'ws';
import { Frames, keyId, payloadHash, publicBytes, publicKeyOf, rawField } from './frames.mjs';
import { Conflict, work } from './work.mjs';

const KNOWN_MAX = 10_000;
const AT_ONCE = 4;
const WAITING_MAX = 1_000;
const FOR_GOOD = ['revoked', 'unknown_agent', 'unknown_key'];
const BACKOFF_MS_MAX = 30_000;

const { values: options } = parseArgs({ options: {
  node: { type: 'string', default: process.env.MESH_NODE ?? 'http://127.0.0.1:7300' },
  identity: { type: 'string' },
  id: { type: 'string' },
  root: { type: 'string', default: '.' },
} });
if (!options.identity) fail('give --identity DIR, the folder of the agent\'s key and id');

function fail(why) {
  console.error(why);
  process.exit(1);
}

function save(name, text) {
  const path = join(options.identity, name);
  writeFileSync(path + '.new', text, { mode: 0o600, flush: true });
  renameSync(path + '.new', path);
}

function loadKey() {
  const path = join(options.identity, 'key.pem');
  mkdirSync(options.identity, { recursive: true, mode: 0o700 });
  if (!existsSync(path)) save('key.pem', generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }));
  if (statSync(path).mode & 0o077) fail(`${path} can be read by others; run: chmod 600 ${path}`);
  return createPrivateKey(readFileSync(path));
}

async function enrol(key, token, id) {
  const [version, mesh, meshKey] = token.split('.');
  if (version !== 'mt1') fail('this is no token: it has the form mt1.MESH.KEY.SECRET');
  const publicKey = publicBytes(createPublicKey(key)).toString('base64url');
  const proof = sign(null, Buffer.from(`mesh30k-key-v1\n${id}\nmesh:${mesh}\n${publicKey}\n`), key).toString('base64url');
  const response = await fetch(new URL('/v1/agents/enrol', options.node), {
    method: 'POST', redirect: 'error', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ token, agent_id: id, public_key: publicKey, proof }),
  });
  const reply = await response.json();
  if (!response.ok) fail(`the mesh refused the enrolment: ${reply.detail ?? response.status}`);
  const keys = reply.mesh_keys.map((entry) => entry.public_key);
  const known = keys.map((text) => keyId(Buffer.from(text, 'base64url')));
  if (reply.mesh_id !== 'mesh:' + mesh || !known.includes('k-' + meshKey)) fail('the node that answered is not the mesh that gave the token');
  save('agent.json', JSON.stringify({ agent_id: reply.agent_id, mesh_id: reply.mesh_id, mesh_keys: keys }));
}

const key = loadKey();
if (!existsSync(join(options.identity, 'agent.json'))) {
  if (!process.env.MESH_ENROL_TOKEN || !options.id) fail('not enrolled yet: give --id NAME and the token of `mesh agent enrol` in MESH_ENROL_TOKEN');
  await enrol(key, process.env.MESH_ENROL_TOKEN.trim(), options.id);
}
const self = JSON.parse(readFileSync(join(options.identity, 'agent.json'), 'utf8'));
const meshKeys = new Map(self.mesh_keys.map((text) => [keyId(Buffer.from(text, 'base64url')), publicKeyOf(text)]));
const keyName = keyId(publicBytes(createPublicKey(key)));

// The mesh's clock less this process's monotonic one, in ms; of the last answers the one with the shortest round trip counts.
const monotonic = () => performance.now();
let samples = [];
const offset = () => samples.reduce((best, sample) => (sample.trip < best.trip ? sample : best)).offset;
const meshNow = () => monotonic() + offset();
const measured = (sent, meshReceived, meshSent, received) => {
  samples = [...samples.slice(-7), { trip: received - sent - (meshSent - meshReceived), offset: (meshReceived - sent + meshSent - received) / 2 }];
};

// What came, and what was answered: outlives connections, so that each delivery is worked on once. Null while it is open, then its ACK, or false when it was cancelled.
const deliveries = new Map();
const waiting = [];
const running = new Map();
let frozen = false;
let session = null;

const send = (...messages) => session?.send(messages);

function take(message, line) {
  const known = deliveries.get(message.message_id);
  if (known) return send(known);
  if (known === null || known === false) return;
  deliveries.set(message.message_id, null);
  for (const [id, ack] of deliveries) {
    if (deliveries.size <= KNOWN_MAX) break;
    if (ack !== null) deliveries.delete(id);
  }
  const raw = rawField(line, 'payload');
  const job = { message, raw, received: monotonic() };
  if (message.payload_hash && message.payload_hash !== payloadHash(raw)) return finish(job, -1, { conflict_detail: { type: 'HASH_MISMATCH' } }, 0, 0);
  if (waiting.length >= WAITING_MAX) return finish(job, -1, { conflict_detail: { type: 'OTHER', conflicting_data: 'the queue is full' } }, 0, 0);
  waiting.push(job);
  startWhatMay();
}

function startWhatMay() {
  while (!frozen && running.size < AT_ONCE && waiting.length > 0) {
    const job = waiting.shift();
    if (deliveries.get(job.message.message_id) === null) void run(job);
  }
}

async function run(job) {
  const { message } = job;
  const stop = new AbortController();
  running.set(message.message_id, stop);
  console.log(`${message.message_id} is begun`);
  const started = monotonic();
  let state = 1;
  let fields;
  try {
    fields = { result: await work(job.raw, options.root, stop.signal) };
  } catch (wrong) {
    state = -1;
    fields = { conflict_detail: { type: wrong instanceof Conflict ? wrong.type : 'OTHER', conflicting_data: String(wrong.message).slice(0, 200) } };
  }
  const processing = monotonic() - started;
  running.delete(message.message_id);
  startWhatMay();
  if (stop.signal.aborted) return void deliveries.set(message.message_id, false);
  const readyAt = meshNow();
  const early = Date.parse(message.target_arrival_time) - readyAt;
  if (state === 1 && early > 0) await pause(early);
  if (deliveries.get(message.message_id) === false) return;
  finish(job, state, fields, processing, started - job.received, readyAt);
}

function finish(job, state, fields, processing, waited, readyAt = meshNow()) {
  const ack = {
    type: 'ACK', message_id: job.message.message_id, agent_id: self.agent_id, trinary_state: state, actual_arrival_time: new Date(readyAt).toISOString(),
    processing_time_ms: processing, queue_wait_ms: waited, ...fields,
  };
  deliveries.set(job.message.message_id, ack);
  console.log(`${job.message.message_id} is ${state === 1 ? 'READY' : 'CONFLICT'}`);
  send(ack);
}

/** One connection from HELLO to its end: resolves with why it ended and when the mesh wants the agent back. */
function connect() {
  return new Promise((resolve) => {
    const socket = new WebSocket(new URL('/v1/agents/connect', options.node.replace(/^http/, 'ws')), { maxPayload: 1 << 20, handshakeTimeout: 15_000 });
    const frames = new Frames(self.agent_id, self.mesh_id, key, keyName, (id) => meshKeys.get(id), () => (challenged ? meshNow() : null));
    const nonce = randomBytes(24).toString('base64url');
    let challenged = false;
    let sent = 0;
    let asked = {};
    let beat;
    let end = { why: 'the connection broke' };

    const link = { send: (messages) => socket.readyState === WebSocket.OPEN && socket.send(frames.write(messages)) };
    const heartbeat = (every) => {
      asked = { stamp: new Date(meshNow()).toISOString(), sent: monotonic() };
      link.send([{ type: 'HEARTBEAT', agent_id: self.agent_id, timestamp: asked.stamp, queue_depth: waiting.length + running.size, clock: true }]);
      beat = setTimeout(heartbeat, every, every);
    };
    const handle = (message, line, came) => {
      switch (message.type) {
        case 'CHALLENGE':
          if (message.echo !== nonce) throw new Error('the challenge is not for this HELLO');
          samples = [];
          measured(sent, Date.parse(message.time), Date.parse(message.time), came);
          challenged = true;
          return link.send([{ type: 'PROOF', echo: message.nonce }]);
        case 'WELCOME':
          console.log(`${self.agent_id} is connected (${message.agent_class}, ${message.cluster_id}); ${message.redelivered} deliveries come again`);
          session = link;
          frozen = false;
          return heartbeat(message.heartbeat_ms);
        case 'COORDINATE': return take(message, line);
        case 'CANCEL': deliveries.set(message.message_id, false); return running.get(message.message_id)?.abort();
        case 'FREEZE': frozen = true; return;
        case 'THAW': frozen = false; return startWhatMay();
        case 'CLOCK': return message.echo === asked.stamp && measured(asked.sent, Date.parse(message.received_at), Date.parse(message.sent_at), came);
        case 'MESH_KEY':
          meshKeys.set(keyId(Buffer.from(message.public_key, 'base64url')), publicKeyOf(message.public_key));
          self.mesh_keys.push(message.public_key);
          return save('agent.json', JSON.stringify(self));
        case 'REFUSED': end = { why: `refused: ${message.code}: ${message.message}`, again: message.retry_after_ms, forGood: FOR_GOOD.includes(message.code) }; return;
        case 'BYE': end = { why: `the mesh said bye: ${message.reason}` }; return;
        default: return; // a newer mesh may say more
      }
    };
    socket.on('open', () => {
      sent = monotonic();
      socket.send(JSON.stringify({ type: 'HELLO', version: 1, agent_id: self.agent_id, nonce, software: 'mesh30k node example' }));
    });
    socket.on('message', (data) => {
      const came = monotonic();
      try {
        for (const line of frames.read(data.toString('utf8'))) handle(JSON.parse(line), line, came);
      } catch (wrong) {
        end = { why: `left the connection: ${wrong.message}` };
        socket.terminate();
      }
    });
    socket.on('error', (wrong) => { end = { why: wrong.message }; });
    socket.on('close', () => {
      clearTimeout(beat);
      session = null;
      resolve(end);
    });
  });
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    send({ type: 'BYE', reason: 'stopping' });
    setTimeout(() => process.exit(0), 100);
  });
}

for (let failures = 0; ; failures++) {
  const began = monotonic();
  const { why, again, forGood } = await connect();
  if (forGood) fail(why);
  if (monotonic() - began > 10_000) failures = 0;
  // Full jitter, so that agents that lost the same node do not come back in step.
  const ms = Math.max(Math.random() * Math.min(BACKOFF_MS_MAX, 200 * 2 ** failures), Math.min(again ?? 0, 300_000));
  console.log(`${why}; trying again in ${(ms / 1000).toFixed(1)} s`);
  await pause(ms);
}
