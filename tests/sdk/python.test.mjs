// The official Python SDKs, unmodified, in the virtual environment that `tests/run` makes.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { Gateway, project } from './gateway.mjs';
import { CALLS, assertOnlyErika, people, plain } from './people.mjs';

const PYTHON = process.env.PFORTE_PYTHON ?? join(project, 'target/python/bin/python');
const SCRIPT = join(project, 'tests/sdk/send.py');

for (const [sdk, source, key] of [
  ['segment', 'app', 'wk_app'],
  ['rudder', 'service', 'wk_service'],
]) {
  describe(`${sdk}, Python, with gzip`, () => {
    let gateway;
    let cast;
    before(async () => {
      gateway = await Gateway.start();
      cast = await people(gateway);
    });
    after(() => gateway?.stop(cast ? plain(cast) : []));

    test('delivers exactly what was consented to, and nothing plain', async () => {
      const said = [cast.erika, cast.unasked, cast.refuser].map((person) => person.said);
      const child = promisify(execFile)(PYTHON, [SCRIPT, sdk, gateway.url, key], { timeout: 60_000 });
      child.child.stdin.end(JSON.stringify(said));
      const { stdout } = await child;
      assert.equal(stdout.trim(), `sent ${said.length * CALLS.length}`);
      assertOnlyErika(await gateway.arrived(CALLS.length), cast, source);
    });
  });
}
