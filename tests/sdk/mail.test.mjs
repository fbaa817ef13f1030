// Mail through a real mail server (aiosmtpd), with everything that such servers do to whoever sends.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { Gateway, project, waitFor } from './gateway.mjs';

const PYTHON = process.env.PFORTE_PYTHON ?? join(project, 'target/python/bin/python');
const FROM = ['--mail-from', 'Weinhaus Muster <post@weinhaus.example>'];

class MailServer {
  static async start(args = []) {
    const server = new MailServer();
    server.child = spawn(PYTHON, [join(project, 'tests/sdk/smtpd.py'), ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    server.ended = new Promise((done) => server.child.once('exit', done));
    server.mails = [];
    createInterface({ input: server.child.stdout }).on('line', (line) => {
      const said = JSON.parse(line);
      if (said.port) server.port = said.port;
      else if (said.mode) server.mode = said.mode;
      else server.mails.push(said);
    });
    await waitFor('the mail server', () => server.port);
    return server;
  }

  async does(mode) {
    this.child.stdin.write(`${mode}\n`);
    await waitFor(mode, () => this.mode === mode);
  }

  async stop() {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}

const id = (mail) => mail.text.match(/^message-id: (\S+)/im)[1];

/** Somebody asks by the website; their address carries the canary. */
async function ask(gateway, name) {
  const email = `${name}.kanarienvogel@example.org`;
  const answer = await fetch(`${gateway.url}/v1/requests`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa('wk_web:')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'access', identifiers: { email }, language: 'de' }),
  });
  assert.equal(answer.status, 202, await answer.text());
  return email;
}

/** What the officer sees of the first mail of the only request. */
async function mail(gateway) {
  const { token } = JSON.parse(await readFile(join(gateway.folder, 'data/operator.json'), 'utf8'));
  const call = async (path) => (await fetch(gateway.url + path, { headers: { authorization: `Bearer ${token}` } })).json();
  const { requests } = await call('/v1/requests');
  return (await call(`/v1/requests/${requests[0].id}`)).mails[0];
}

const becomes = (gateway, state, reason) =>
  waitFor(`the mail to be ${state} ${reason ?? ''}`, async () => {
    const seen = await mail(gateway);
    return seen.state === state && seen.reason === reason;
  }, async () => JSON.stringify(await mail(gateway)));

describe('mail', () => {
  let folder;
  let tls;
  const needles = ['kanarienvogel'];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pforte-mail-'));
    const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Test CA');
    openssl('req', ...key, '-keyout', 'mail.key', '-out', 'mail.csr', '-subj', '/CN=mail');
    await writeFile(join(folder, 'ext'), 'subjectAltName=IP:127.0.0.1,DNS:ip6-localhost\nextendedKeyUsage=serverAuth\n');
    openssl('x509', '-req', '-in', 'mail.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'mail.pem', '-days', '2', '-extfile', 'ext');
    tls = ['--cert', join(folder, 'mail.pem'), '--key', join(folder, 'mail.key')];
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test('what waits is sent once, and nothing of it is left', async () => {
    const server = await MailServer.start();
    const gateway = await Gateway.start({ args: ['--smtp-url', `smtp://127.0.0.1:${server.port}`, ...FROM] });
    const email = await ask(gateway, 'erika');
    await becomes(gateway, 'sent');
    assert.equal(server.mails.length, 1);
    assert.deepEqual(server.mails[0].to, [email]);
    assert.equal(server.mails[0].sender, 'post@weinhaus.example');
    assert.match(server.mails[0].text, /^Content-Type: multipart\/alternative/im);
    assert.match(server.mails[0].text, /^Auto-Submitted: auto-generated/im);
    assert.equal((await fetch(`${gateway.url}/mail`)).status, 404, 'with a server there is no page of mails');
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    assert.match(metrics, /^pforte_mails_sent 1$/m);
    await gateway.stop(needles);
    await server.stop();
  });

  test('a server that is down, then busy, gets it in the end', async () => {
    const first = await MailServer.start();
    const { port } = first;
    await first.stop();
    const gateway = await Gateway.start({ args: ['--smtp-url', `smtp://127.0.0.1:${port}`, ...FROM] });
    await ask(gateway, 'erika');
    await becomes(gateway, 'waiting', 'unreachable');
    // Nothing is lost in a crash, either.
    await gateway.crash();
    await becomes(gateway, 'waiting', 'unreachable');
    const server = await MailServer.start(['--port', String(port)]);
    await server.does('busy');
    await becomes(gateway, 'waiting', 'smtp_451');
    await server.does('take');
    await becomes(gateway, 'sent');
    assert.equal(server.mails.length, 1);
    await gateway.stop(needles);
    await server.stop();
  });

  test('what is refused for good ends, and the officer sees why', async () => {
    const server = await MailServer.start();
    await server.does('refuse');
    const gateway = await Gateway.start({ args: ['--smtp-url', `smtp://127.0.0.1:${server.port}`, ...FROM] });
    await ask(gateway, 'erika');
    await becomes(gateway, 'failed', 'smtp_550');
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    assert.match(metrics, /^pforte_mails_failed 1$/m);
    assert.match(metrics, /^pforte_mails_waiting 0$/m);
    await gateway.stop(needles);
    await server.stop();
  });

  test('killed while it sends, it sends the same mail again', async () => {
    const server = await MailServer.start();
    await server.does('hang');
    const gateway = await Gateway.start({ args: ['--smtp-url', `smtp://127.0.0.1:${server.port}`, ...FROM] });
    await ask(gateway, 'erika');
    await waitFor('the mail to be on the wire', () => server.mails.length === 1);
    await gateway.crash();
    await server.does('take');
    await becomes(gateway, 'sent');
    assert.ok(server.mails.length >= 2);
    assert.deepEqual([...new Set(server.mails.map(id))], [id(server.mails[0])], 'one Message-ID');
    await gateway.stop(needles);
    await server.stop();
  });

  test('TLS from the first byte: certificate and password must be right', async () => {
    const server = await MailServer.start(['--tls', 'whole', ...tls]);
    const url = (password) => `smtps://shop%40example.org:${password}@127.0.0.1:${server.port}`;
    const trusted = { SSL_CERT_FILE: join(folder, 'ca.pem') };
    const strange = await Gateway.start({ args: ['--smtp-url', url('p%3Aw%2F'), ...FROM], env: { SSL_CERT_FILE: '/etc/ssl/certs/ca-certificates.crt' } });
    await ask(strange, 'erika');
    await waitFor('it to be kept back', async () => (await mail(strange)).reason);
    assert.equal((await mail(strange)).state, 'waiting');
    await strange.stop(needles);

    const guess = await Gateway.start({ args: ['--smtp-url', url('guess'), ...FROM], env: trusted });
    await ask(guess, 'erika');
    await becomes(guess, 'waiting', 'refused');
    await guess.stop(needles);
    assert.deepEqual(server.mails, [], 'nothing was sent');

    await writeFile(join(folder, 'url'), `${url('p%3Aw%2F')}\n`);
    const gateway = await Gateway.start({ args: ['--smtp-url-file', join(folder, 'url'), ...FROM], env: trusted });
    await ask(gateway, 'erika');
    await becomes(gateway, 'sent');
    assert.equal(server.mails.length, 1);
    await gateway.stop([...needles, 'p:w/']);
    await server.stop();
  });

  test('STARTTLS, or nothing is sent', async (t) => {
    // A name of this machine that the gateway does not know as such.
    const here = await lookup('ip6-localhost').catch(() => null);
    if (here?.address !== '::1') return t.skip('this machine has no name ip6-localhost');
    const plain = await MailServer.start(['--host', '::1']);
    const gateway = await Gateway.start({ args: ['--smtp-url', `smtp://ip6-localhost:${plain.port}`, ...FROM] });
    await ask(gateway, 'erika');
    await waitFor('it to be kept back', async () => (await mail(gateway)).reason);
    assert.deepEqual([plain.mails, (await mail(gateway)).state], [[], 'waiting']);
    await gateway.stop(needles);
    await plain.stop();

    const server = await MailServer.start(['--host', '::1', '--tls', 'begun', ...tls]);
    const url = `smtp://shop%40example.org:p%3Aw%2F@ip6-localhost:${server.port}`;
    const safe = await Gateway.start({ args: ['--smtp-url', url, ...FROM], env: { SSL_CERT_FILE: join(folder, 'ca.pem') } });
    await ask(safe, 'erika');
    await becomes(safe, 'sent');
    assert.equal(server.mails[0].tls, true);
    await safe.stop(needles);
    await server.stop();
    return undefined;
  });
});
