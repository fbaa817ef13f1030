// A real gateway for the SDK suites: the binary itself, on a free loopback port, with folders of its own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const BINARY = resolve(process.env.PFORTE_BIN ?? join(PROJECT, 'target/debug/pforte'));
/** How long a suite waits for something that must happen. */
const PATIENCE_MS = 30_000;

export const project = PROJECT;

export class Gateway {
  /** Starts on the shipped policy or another one, with more options if need be. */
  static async start({ args = [], env = {}, policies = join(PROJECT, 'policies') } = {}) {
    const gateway = new Gateway(await mkdtemp(join(tmpdir(), 'pforte-sdk-')), ['--policies', policies, ...args], env);
    await gateway.#run();
    return gateway;
  }

  constructor(folder, args, env) {
    Object.assign(this, { folder, args, env, log: '' });
  }

  async #run() {
    const args = ['serve', '--listen', '127.0.0.1:0', '--log', 'debug', ...this.args];
    const env = { ...process.env, ...this.env };
    const child = spawn(BINARY, args, { cwd: this.folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    child.stderr.on('data', (bytes) => (this.log += bytes));
    this.ended = new Promise((done) => child.once('exit', (code, signal) => done({ code, signal })));
    await this.#answers();
  }

  /** Ends as a crash would end it, and starts again. */
  async crash() {
    this.child.kill('SIGKILL');
    await this.ended;
    await this.#run();
  }

  async #answers() {
    const lines = createInterface({ input: this.child.stdout });
    const first = await Promise.race([
      new Promise((found) => lines.once('line', found)),
      this.ended.then(() => null),
    ]);
    const address = first?.match(/https?:\/\/\S+/)?.[0];
    assert.ok(address, `the gateway did not start:\n${first ?? ''}\n${this.log}`);
    lines.on('line', () => {});
    this.url = address.replace(/\/$/, '');
  }

  /** Ends it as an operator would, and proves that it left no plain identifier behind. */
  async stop(needles = []) {
    try {
      await this.assertNowhere(needles);
      this.child.kill('SIGTERM');
      const { code } = await this.ended;
      assert.equal(code, 0, `the gateway did not end well:\n${this.log}`);
      await this.assertNowhere(needles);
      assert.ok(!this.log.includes('panicked'), this.log);
    } finally {
      this.child.kill('SIGKILL');
      await rm(this.folder, { recursive: true, force: true });
    }
  }

  /** Records what somebody decided, as a website does. */
  async decide(body, key = 'wk_web') {
    const headers = { authorization: `Basic ${btoa(`${key}:`)}`, 'content-type': 'application/json' };
    const { token } = await (await fetch(`${this.url}/v1/notice?language=de`, { headers })).json();
    const answer = await fetch(`${this.url}/v1/consents`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ method: 'banner', token, ...body }),
    });
    const text = await answer.text();
    assert.equal(answer.status, 201, text);
    return JSON.parse(text);
  }

  /** Everything that has arrived in the file destination, in the order of arrival. */
  async archive() {
    const out = join(this.folder, 'out');
    const names = await readdir(out).catch(() => []);
    const events = [];
    for (const name of names.sort()) {
      const text = await readFile(join(out, name), 'utf8');
      // A line that is still being written is not there yet.
      const whole = text.slice(0, text.lastIndexOf('\n') + 1);
      events.push(...whole.split('\n').filter(Boolean).map((line) => JSON.parse(line)));
    }
    return events;
  }

  /** Waits until everything that may leave has left. */
  async drain() {
    await waitFor('the outbox to be empty', async () => {
      const text = await (await fetch(`${this.url}/metrics`)).text();
      const backlog = [...text.matchAll(/^pforte_backlog_chunks\{[^}]*\} (\S+)$/gm)].map((match) => Number(match[1]));
      return backlog.length > 0 && backlog.every((n) => n === 0);
    });
  }

  /** Waits until `count` events have arrived and nothing more can; whoever sent more must have been kept back. */
  async arrived(count) {
    await waitFor(`${count} events to arrive`, async () => (await this.archive()).length >= count, async () => {
      const metrics = await (await fetch(`${this.url}/metrics`)).text();
      const counts = metrics.split('\n').filter((line) => line.startsWith('pforte_events')).join('\n');
      return `${JSON.stringify(await this.archive(), null, 1)}\n${counts}`;
    });
    await this.drain();
    return this.archive();
  }

  /** Fails if one of the needles stands in any file, or in the log. */
  async assertNowhere(needles) {
    const files = await readdir(this.folder, { recursive: true, withFileTypes: true });
    const texts = [['the log', this.log.toLowerCase()]];
    for (const file of files.filter((entry) => entry.isFile())) {
      const path = join(file.parentPath ?? file.path, file.name);
      // The one exception: mails are written there, readable, when there is no mail server.
      if (/^data\/mail\/[0-9a-f]{32}-[0-9a-f]{32}\.(eml|tmp)$/.test(relative(this.folder, path))) continue;
      texts.push([path, (await readFile(path)).toString('latin1').toLowerCase()]);
    }
    for (const needle of needles) {
      for (const [where, text] of texts) {
        assert.ok(!text.includes(needle.toLowerCase()), `a plain identifier stands in ${where}`);
      }
    }
  }
}

/** Looks again and again until it is so. */
export async function waitFor(what, look, explain = async () => '') {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    if (await look()) return;
    assert.ok(Date.now() < until, `waited in vain for ${what}\n${await explain()}`);
    await new Promise((next) => setTimeout(next, 25));
  }
}
