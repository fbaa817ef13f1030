// A receipt by a JOSE library that is not ours, and the entry's proof by nothing but SHA-256.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import { compactVerify, createLocalJWKSet } from 'jose';

import { Gateway } from './gateway.mjs';

const WEB = { authorization: `Basic ${Buffer.from('wk_web:').toString('base64')}` };

const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();

/** RFC 9162, 2.1.3.2: from a leaf's hash along the proof to the root. */
function rootOf(leaf, index, size, proof) {
  let [hash, node, last] = [leaf, index, size - 1];
  for (const sibling of proof) {
    assert.ok(last > 0, 'the proof is too long');
    if (node % 2 === 1 || node === last) {
      hash = sha256(Buffer.from([1]), sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [node >>> 1, last >>> 1];
    } else {
      hash = sha256(Buffer.from([1]), hash, sibling);
    }
    [node, last] = [node >>> 1, last >>> 1];
  }
  assert.equal(last, 0, 'the proof is too short');
  return hash;
}

describe('a receipt', () => {
  let gateway;
  before(async () => (gateway = await Gateway.start()));
  after(() => gateway.stop());

  test('is accepted by other libraries', async () => {
    const handles = [];
    for (let n = 0; n < 7; n++) {
      const answer = await gateway.decide({ anonymousId: `visitor-${n}`, decisions: { analytics: 'granted' } });
      handles.push(answer.receipt);
    }
    const keys = createLocalJWKSet(await (await fetch(`${gateway.url}/.well-known/jwks.json`)).json());
    for (const handle of handles) {
      const signed = await (await fetch(`${gateway.url}/v1/consents/${handle}/receipt`, { headers: WEB })).text();
      const { payload, protectedHeader } = await compactVerify(signed, keys, { algorithms: ['EdDSA'] });
      assert.equal(protectedHeader.typ, 'pforte-receipt+jwt');
      const { jti, ledger, receipt, statement } = JSON.parse(new TextDecoder().decode(payload));
      assert.equal(receipt['@type'], 'dpv:ConsentReceipt');
      assert.equal(statement.decisions.analytics, 'granted');
      const [, size, root] = ledger.checkpoint.split('\n');
      const leaf = sha256(Buffer.from([0]), Buffer.from(jti, 'hex'));
      const proof = ledger.proof.map((hash) => Buffer.from(hash, 'base64'));
      assert.equal(rootOf(leaf, ledger.index, Number(size), proof).toString('base64'), root);
    }
  });
});
