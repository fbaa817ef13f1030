// Witnesses that are not ours cosign the ledger, and what a log must not get away with.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { after, before, describe, test } from 'node:test';

import { BINARY, Gateway, project, waitFor } from './gateway.mjs';
import { Witness, readNote } from './witness.mjs';

const TILL = { authorization: `Basic ${btoa('wk_till:')}` };

describe('witnesses', () => {
  let folder, gateway, good, lame, file;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pforte-witness-'));
    [good, lame] = [await Witness.start('witness.example/good'), await Witness.start('witness.example/lame')];
    file = join(folder, 'witnesses');
    const lines = [`witness good ${good.vkey} ${good.url}`, `witness lame ${lame.vkey} ${lame.url}/`, 'group some any good lame', 'quorum some'];
    await writeFile(file, `${lines.join('\n')}\n`);
    gateway = await Gateway.start({ args: ['--witnesses', file] });
  });

  after(async () => {
    await gateway?.stop();
    await Promise.all([good, lame].map((witness) => witness?.stop()));
    await rm(folder, { recursive: true, force: true });
  });

  const text = async (path, headers = {}) => (await fetch(`${gateway.url}${path}`, { headers })).text();
  const pforte = (...args) => spawnSync(BINARY, args, { encoding: 'utf8' });

  async function decide(count) {
    const receipts = [];
    for (let n = 0; n < count; n++) {
      const card = `DE-${randomBytes(6).toString('hex')}`;
      const body = { identifiers: { loyalty_card: card }, decisions: { analytics: 'granted' }, method: 'spoken' };
      receipts.push((await gateway.decide(body, 'wk_till')).receipt);
    }
    return receipts;
  }

  async function witnessed(size) {
    await waitFor(`a witnessed head of ${size} entries`, async () => {
      const answer = await fetch(`${gateway.url}/ledger/witnessed`);
      return answer.status === 200 && readNote(await answer.text()).size >= size;
    }, () => gateway.log);
    return text('/ledger/witnessed');
  }

  test('cosign heads, and one that fails holds up nobody', async () => {
    good.trusts(await text('/ledger/key'));
    lame.trouble = Array(3).fill((head) => [200, lame.cosign(head.body, good.privateKey)]);
    assert.equal((await fetch(`${gateway.url}/ledger/witnessed`)).status, 404);
    await decide(5);
    const note = await witnessed(5);
    assert.ok(good.hasCosigned(note), 'the cosignature of the witness that answers');
    assert.ok(!lame.hasCosigned(note), 'a signature with another key is no cosignature');
    assert.ok(!note.includes('witness.example/lame'), 'and is not handed on');
  });

  test('get a proof that the log has grown, also after a crash', async () => {
    const before = good.size;
    await gateway.crash();
    assert.equal(readNote(await text('/ledger/witnessed')).size, before, 'what was witnessed is handed out at once');
    await decide(9);
    assert.ok(good.hasCosigned(await witnessed(before + 9)));
    assert.ok(good.asked.some(({ old, size }) => old === before && size > before), 'from the size that was cosigned before');
  });

  test('say which size they have seen when it is another one than was thought', async () => {
    // It cosigns a head, and the answer is lost.
    good.trouble = [(head) => (Object.assign(good, { size: head.size, root: head.root }), [500, 'lost'])];
    const before = good.size;
    await decide(1);
    await waitFor('the answer to be lost', () => good.size > before);
    await decide(3);
    assert.ok(good.hasCosigned(await witnessed(good.size + 3 > before + 4 ? before + 4 : good.size + 3)));
  });

  test('make a receipt worth more: its head is one that others have seen', async () => {
    const [receipt] = await decide(1);
    const signed = () => text(`/v1/consents/${receipt}/receipt`, TILL);
    const { ledger } = JSON.parse(Buffer.from((await signed()).split('.')[1], 'base64url'));
    await witnessed(ledger.index + 1);
    const at = (name) => join(folder, name);
    await writeFile(at('receipt.jws'), await signed());
    await writeFile(at('jwks.json'), await text('/.well-known/jwks.json'));
    const check = (witnesses) => pforte('receipt', 'verify', at('receipt.jws'), '--jwks', at('jwks.json'), '--witnesses', witnesses);
    const said = check(file);
    assert.equal(said.status, 0, said.stderr);
    assert.match(said.stdout, /witnesses good/);
    await writeFile(at('strict'), `witness good ${good.vkey}\nwitness lame ${lame.vkey}\ngroup both all good lame\nquorum both\n`);
    const refused = check(at('strict'));
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, /not enough witnesses/);
  });

  test('let a copy of the log be checked, offline', async () => {
    const copy = join(folder, 'copy');
    execFileSync(BINARY, ['ledger', 'export', '--from', `${gateway.url}/ledger`, '--to', copy]);
    const said = pforte('ledger', 'verify', copy, '--witnesses', file);
    assert.equal(said.status, 0, said.stderr);
    assert.match(said.stdout, /these witnesses have cosigned: good/);
  });
});

test('a witness that has seen more than there is shows that the log has forked', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pforte-witness-'));
  const witness = await Witness.start('witness.example/ahead');
  const file = join(folder, 'witnesses');
  await writeFile(file, `witness ahead ${witness.vkey} ${witness.url}\nquorum ahead\n`);
  const gateway = await Gateway.start({ args: ['--witnesses', file] });
  try {
    witness.trusts(await (await fetch(`${gateway.url}/ledger/key`)).text());
    witness.size = 1_000_000;
    await gateway.decide({ identifiers: { loyalty_card: 'DE-4711' }, decisions: { analytics: 'granted' }, method: 'spoken' }, 'wk_till');
    await waitFor('the fork to be told', () => gateway.log.includes('FORK'), () => gateway.log);
    assert.match(await (await fetch(`${gateway.url}/metrics`)).text(), /pforte_ledger_witnesses_failing 1/);
    assert.equal((await fetch(`${gateway.url}/ledger/witnessed`)).status, 404);
  } finally {
    await gateway.stop();
    await witness.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

test('a file with witnesses that is wrong is refused by its line', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pforte-witness-'));
  const file = join(folder, 'witnesses');
  await writeFile(file, 'witness one nonsense\nquorum one\n');
  const policies = join(project, 'policies');
  const started = spawnSync(BINARY, ['serve', '--listen', '127.0.0.1:0', '--policies', policies, '--witnesses', file], { cwd: folder, encoding: 'utf8' });
  assert.notEqual(started.status, 0);
  assert.match(started.stderr, /line 1: this is not the key of a witness/);
  await rm(folder, { recursive: true, force: true });
});
