// What this agent can do: hash files of one folder, ask an LLM if there is one, and else hash the payload itself.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { resolve, sep } from 'node:path';

const ANSWER_CHARS_MAX = 16_000;
const FILES_MAX = 1_000;

export class Conflict extends Error {
  constructor(type, why) { super(why); this.type = type; }
}

/** The payload is from others: data, never instructions. Only files below `root` are read, links included. */
export async function work(raw, root, signal) {
  const payload = JSON.parse(raw);
  if (Array.isArray(payload?.files)) return JSON.stringify(await hashFiles(payload.files, root, signal));
  if (typeof payload?.prompt === 'string') return await ask(payload.prompt, signal);
  return createHash('sha256').update(raw).digest('hex');
}

async function hashFiles(names, root, signal) {
  if (names.length > FILES_MAX) throw new Conflict('OTHER', `at most ${FILES_MAX} files at once`);
  const base = await realpath(root);
  const hashes = {};
  for (const name of names) {
    let path;
    try {
      path = await realpath(resolve(base, String(name)));
    } catch {
      throw new Conflict('DATA_CONTRADICTION', `there is no file ${String(name).slice(0, 100)}`);
    }
    if (!path.startsWith(base + sep)) throw new Conflict('CAPABILITY_MISMATCH', 'only files below the agent\'s folder are read');
    const hash = createHash('sha256');
    for await (const part of createReadStream(path, { signal })) hash.update(part);
    hashes[name] = hash.digest('hex');
  }
  return hashes;
}

async function ask(prompt, signal) {
  const url = process.env.MESH_LLM_URL;
  if (!url) throw new Conflict('CAPABILITY_MISMATCH', 'no LLM is configured: set MESH_LLM_URL (and MESH_LLM_KEY) for this agent');
  const headers = { 'Content-Type': 'application/json' };
  if (process.env.MESH_LLM_KEY) headers.Authorization = `Bearer ${process.env.MESH_LLM_KEY}`;
  const body = JSON.stringify({ model: process.env.MESH_LLM_MODEL ?? 'default', messages: [{ role: 'user', content: prompt }] });
  const response = await fetch(url.replace(/\/$/, '') + '/chat/completions', { method: 'POST', headers, body, signal, redirect: 'error' });
  if (!response.ok) throw new Conflict('OTHER', `the LLM answered ${response.status}`);
  const text = (await response.json())?.choices?.[0]?.message?.content;
  if (typeof text !== 'string') throw new Conflict('OTHER', 'the LLM gave no text');
  return text.slice(0, ANSWER_CHARS_MAX);
}
