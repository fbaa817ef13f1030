// The one line on a website: a banner on the screen after one request, and answers that are neither lost nor given to another text.

import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { project } from '../sdk/gateway.mjs';
import { Gateway, shop, visit, waitFor } from './shop.mjs';
import { browser } from './site.mjs';

const CHANGED = 'Der Text hat sich gerade geändert. Bitte lesen und entscheiden Sie noch einmal.';
const FAILED = 'Das hat nicht geklappt, und nichts wurde erlaubt. Bitte versuchen Sie es noch einmal.';
const TITLE = 'Dürfen wir Ihre Daten verwenden?';

describe('one line', () => {
  let gateway;
  let chromium;
  let site;
  before(async () => {
    [gateway, chromium] = await Promise.all([Gateway.start(), browser()]);
    site = await shop(gateway);
  });
  after(async () => {
    await chromium?.close();
    await site?.stop();
    await gateway?.stop();
  });

  /** Keeps back what the page asks the gateway, until it is let go. */
  async function held(page, pattern) {
    let letGo;
    const gone = new Promise((resolve) => (letGo = resolve));
    await page.route(pattern, async (route) => {
      await gone;
      await route.continue();
    });
    return letGo;
  }

  /** Serves a script with another text in it, as a cache might a moment after the text has changed. */
  const old = (page) => page.route('**/pforte.js*', async (route) => {
    const answer = await route.fetch();
    const body = (await answer.text()).replace(/"hash":"[0-9a-f]{64}"/g, `"hash":"${'0'.repeat(64)}"`).replace(TITLE, 'Ein alter Text');
    await route.fulfill({ body, contentType: 'text/javascript; charset=utf-8' });
  });

  const granted = (page) => page.evaluate(() => window.pforte.consent.get().granted);

  test('the banner is on the screen before the gateway is asked anything else', async () => {
    const visitor = await visit(chromium);
    const letGo = await held(visitor.page, '**/v1/notice*');
    await visitor.page.goto(site.origin);
    await visitor.dialog.waitFor();
    const asked = () => visitor.requests.filter(({ url }) => url.startsWith(gateway.url)).map(({ url }) => new URL(url).pathname);
    assert.equal(asked()[0], '/pforte.js');
    assert.ok(asked().slice(1).every((path) => path === '/v1/notice'), asked().join());
    assert.deepEqual(await visitor.cookies(), []);
    // Whoever is quicker than the token waits for it, and sees that.
    await visitor.press('refuse');
    await visitor.page.locator('[data-pforte-dialog][aria-busy]').waitFor();
    assert.deepEqual(visitor.requests.filter(({ url }) => url.includes('/v1/consents')), []);
    letGo();
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    assert.deepEqual(await visitor.cookies(), ['pforte_choice']);
    assert.deepEqual(asked(), ['/pforte.js', '/v1/notice', '/v1/consents']);
    assert.deepEqual(visitor.complaints, []);
    await visitor.context.close();
  });

  test('pinned, with a digest, it is the same with one round trip more', async () => {
    const visitor = await visit(chromium);
    await visitor.page.goto(`${site.origin}/?pinned`);
    await visitor.dialog.waitFor();
    await visitor.press('accept');
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    assert.deepEqual(await visitor.cookies(), ['pforte_choice', 'pforte_id']);
    assert.ok(visitor.requests.some(({ url }) => url.includes('/pforte-banner-')));
    assert.deepEqual(visitor.complaints, []);
    await visitor.context.close();
  });

  test('the page speaks another language than the browser: the banner speaks that of the page', async () => {
    const visitor = await visit(chromium, { lang: 'de' });
    await visitor.page.goto(`${site.origin}/?lang=en`);
    await visitor.dialog.waitFor();
    assert.equal(await visitor.dialog.getAttribute('lang'), 'en');
    // In which there is no notice: then the company's language, and nothing need be asked for that.
    const letGo = await held(visitor.page, '**/v1/notice*');
    await visitor.page.goto(`${site.origin}/?lang=fr`);
    await visitor.dialog.waitFor();
    assert.equal(await visitor.dialog.getAttribute('lang'), 'de');
    letGo();
    await visitor.context.close();
  });

  test('an answer is not lost when the page is left in the same moment', async () => {
    const visitor = await visit(chromium);
    await visitor.page.goto(site.origin);
    await visitor.dialog.waitFor();
    // The token is there when this resolves.
    await visitor.page.evaluate(() => window.pforte.consent.open());
    const hidden = await visitor.page.evaluate(() => {
      const root = document.querySelector('[data-pforte-root]').shadowRoot;
      root.querySelector('[data-pforte-refuse]').click();
      // Right after this has been answered: what a page says while it goes away may be lost, and its caller would wait for ever.
      setTimeout(() => { location.href = 'about:blank'; });
      return root.querySelector('[data-pforte-dialog]').hidden;
    });
    assert.equal(hidden, true, 'it is still in the way');
    await visitor.page.waitForURL('about:blank');
    await waitFor('the refusal', async () => (await visitor.cookies()).includes('pforte_choice'));
    await visitor.context.close();
  });

  test('an answer that does not get through brings the banner back', async () => {
    const visitor = await visit(chromium);
    await visitor.page.route('**/v1/consents', (route) => route.abort(), { times: 1 });
    await visitor.page.goto(site.origin);
    await visitor.dialog.waitFor();
    await visitor.page.evaluate(() => window.pforte.consent.open());
    await visitor.press('accept');
    await visitor.page.getByText(FAILED, { exact: true }).waitFor();
    assert.equal(await visitor.dialog.isVisible(), true);
    assert.deepEqual(await granted(visitor.page), []);
    await visitor.press('accept');
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    assert.ok((await granted(visitor.page)).includes('analytics'));
    await visitor.context.close();
  });

  test('a text that has changed since is shown as soon as that is known', async () => {
    const visitor = await visit(chromium);
    await old(visitor.page);
    await visitor.page.goto(site.origin);
    await visitor.dialog.getByText(TITLE).waitFor();
    await visitor.press('accept');
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    assert.ok((await granted(visitor.page)).includes('analytics'));
    await visitor.context.close();
  });

  for (const [answer, outcome] of [['accept', CHANGED], ['refuse', 'Alles abgelehnt.']]) {
    test(`a yes to a text that has changed is no yes to the new one; a no is a no: ${answer}`, async () => {
      const visitor = await visit(chromium);
      await old(visitor.page);
      const letGo = await held(visitor.page, '**/v1/notice*');
      await visitor.page.goto(site.origin);
      await visitor.dialog.getByText('Ein alter Text').waitFor();
      await visitor.press(answer);
      letGo();
      await visitor.page.getByText(outcome, { exact: true }).waitFor();
      assert.deepEqual(await granted(visitor.page), []);
      if (answer === 'accept') {
        await visitor.dialog.getByText(TITLE).waitFor();
        assert.deepEqual(await visitor.cookies(), []);
        await visitor.press('accept');
        await visitor.page.locator('[data-pforte-entry]').waitFor();
        assert.ok((await granted(visitor.page)).includes('analytics'));
      }
      await visitor.context.close();
    });
  }

  test('a key that nobody knows: tags are told "denied", and the console says why nothing is asked', async () => {
    const visitor = await visit(chromium);
    await visitor.page.route('**/pforte.js*', (route) => route.continue({ url: route.request().url().replace('wk_web', 'wk_none') }));
    await visitor.page.route('**/v1/notice*', (route) => route.continue({ url: route.request().url().replace('wk_web', 'wk_none') }));
    await visitor.page.goto(`${site.origin}/?tag=data-consent-mode`);
    await waitFor('the complaint', async () => visitor.complaints.some((text) => text.startsWith('pforte:')));
    const [word, kind, denied] = await visitor.page.evaluate(() => Array.from(window.dataLayer[0]));
    assert.deepEqual([word, kind, denied.ad_storage], ['consent', 'default', 'denied']);
    assert.equal(await visitor.dialog.count(), 0);
    await visitor.context.close();
  });
});

describe('one line, and the gateway under a name beside the shop', () => {
  let folder;
  let gateway;
  let chromium;
  let site;
  let origin;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pforte-policies-'));
    await cp(join(project, 'policies'), folder, { recursive: true });
    await replace('sources.toml', '["http://localhost:*"', '["http://www.shop.localhost:*", "http://localhost:*"');
    [gateway, chromium] = await Promise.all([Gateway.start({ policies: folder }), browser()]);
    const named = (url, name) => Object.assign(new URL(url), { hostname: `${name}.shop.localhost` }).origin;
    site = await shop(gateway, named(gateway.url, 'pforte'));
    origin = named(site.origin, 'www');
  });
  after(async () => {
    await chromium?.close();
    await site?.stop();
    await gateway?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function replace(file, from, to) {
    const path = join(folder, file);
    const text = await readFile(path, 'utf8');
    assert.ok(text.includes(from), `${file} has no such text`);
    await writeFile(path, text.replace(from, to));
  }

  test('whoever has decided is not asked again, although the page cannot see the cookie and the script was in the cache', async () => {
    const visitor = await visit(chromium);
    await visitor.page.goto(origin);
    await visitor.dialog.waitFor();
    await visitor.press('refuse');
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    assert.equal(await visitor.page.evaluate(() => document.cookie), '');
    await visitor.page.addInitScript(() => {
      window.seen = 0;
      const look = () => {
        window.seen += document.querySelector('[data-pforte-root]')?.shadowRoot.querySelector('[data-pforte-dialog]') ? 1 : 0;
        requestAnimationFrame(look);
      };
      look();
    });
    await visitor.page.goto(`${origin}/?next`);
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    assert.equal(await visitor.page.evaluate(() => window.seen), 0, 'the banner was on the screen');
    assert.deepEqual(await visitor.cookies(), ['pforte_choice']);
    assert.deepEqual(visitor.complaints, []);
    await visitor.context.close();
  });

  test('a grant whose terms have become wider is none for the page either', async () => {
    const same = await shop(gateway);
    const visitors = [];
    for (const at of [origin, same.origin]) {
      const visitor = await visit(chromium);
      visitors.push([at, visitor]);
      await visitor.page.goto(at);
      await visitor.dialog.waitFor();
      await visitor.press('accept');
      await visitor.page.locator('[data-pforte-entry]').waitFor();
      assert.deepEqual(await allowed(visitor), [true, true]);
    }
    await replace('purposes.toml', 'data = ["usage data", "device data"]', 'data = ["usage data", "device data", "e-mail address"]');
    const version = async () => (await (await fetch(`${gateway.url}/v1/notice?writeKey=wk_web`)).json()).policyVersion;
    const old = await version();
    gateway.child.kill('SIGHUP');
    await waitFor('the policy', async () => (await version()) !== old);
    for (const [at, visitor] of visitors) {
      await visitor.page.goto(`${at}/?next`);
      await visitor.dialog.waitFor();
      assert.deepEqual(await allowed(visitor), [false, true], `${at}: whether or not they answer`);
      // Whoever closes it is asked again on the next page, and it is still no.
      await visitor.press('close');
      await visitor.page.goto(`${at}/?again`);
      await visitor.dialog.waitFor();
      assert.deepEqual(await allowed(visitor), [false, true], at);
      await visitor.press('accept');
      await visitor.page.locator('[data-pforte-entry]').waitFor();
      assert.deepEqual(await allowed(visitor), [true, true]);
      await visitor.context.close();
    }
    await same.stop();
  });

  const allowed = ({ page }) => page.evaluate(() => ['analytics', 'personalization'].map((purpose) => window.pforte.consent.allows(purpose)));
});
