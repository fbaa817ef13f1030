// The banner on a shop of another origin: what visitors do, and what leaves their browser. Screenshots go to target/screens/.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { project } from '../sdk/gateway.mjs';
import { Gateway, flaws, shop, sizes, visit, waitFor } from './shop.mjs';
import { browser } from './site.mjs';

const SCREENS = join(project, 'target/screens');
const NAMES = {
  de: { accept: 'Alle annehmen', refuse: 'Alle ablehnen', choose: 'Auswählen', save: 'Auswahl speichern' },
  en: { accept: 'Accept all', refuse: 'Refuse all', choose: 'Choose', save: 'Save choice' },
};

describe('banner', () => {
  let gateway;
  let chromium;
  let site;
  before(async () => {
    [gateway, chromium] = await Promise.all([Gateway.start(), browser(), mkdir(SCREENS, { recursive: true })]);
    site = await shop(gateway);
  });
  after(async () => {
    await chromium?.close();
    await site?.stop();
    await gateway?.stop();
  });

  /** Opens the shop and waits for the banner. */
  async function meet(options = {}, query = '') {
    const visitor = await visit(chromium, options);
    await visitor.page.goto(`${site.origin}/?lang=${options.lang ?? 'de'}${query}`);
    await visitor.dialog.waitFor();
    return visitor;
  }

  /** What must be true of every visit. */
  async function end(visitor) {
    assert.equal(await visitor.shifted(), 0, 'the layout has shifted');
    assert.deepEqual(visitor.complaints, []);
    const origins = new Set(visitor.requests.filter(({ url }) => url.startsWith('http')).map(({ url }) => new URL(url).origin));
    assert.deepEqual([...origins].sort(), [site.origin, gateway.url].sort(), 'a request went elsewhere');
    await visitor.context.close();
  }

  const arrived = async () => (await gateway.archive()).length;

  test('what is served is what the sources come to', async () => {
    await promisify(execFile)(process.execPath, [join(project, 'assets/banner/build.mjs'), '--check']);
  });

  for (const lang of ['de', 'en']) {
    for (const size of Object.keys(sizes)) {
      for (const colorScheme of ['light', 'dark']) {
        test(`it fits, is accessible and favours nothing: ${lang}, ${size}, ${colorScheme}`, async () => {
          const visitor = await meet({ lang, size, colorScheme });
          const { page, dialog } = visitor;
          const shot = (name) => page.screenshot({ path: join(SCREENS, `banner-${name}-${lang}-${size}-${colorScheme}.png`) });
          const buttons = await dialog.locator('.buttons button').evaluateAll((all) => all.map((one) => {
            const { width, height } = one.getBoundingClientRect();
            const { backgroundColor, color, fontSize, fontWeight, borderColor } = getComputedStyle(one);
            return { name: one.textContent, look: JSON.stringify([Math.round(width), Math.round(height), backgroundColor, color, fontSize, fontWeight, borderColor]) };
          }));
          assert.deepEqual(new Set(buttons.map(({ name }) => name)), new Set(['accept', 'refuse', 'choose'].map((hook) => NAMES[lang][hook])));
          assert.equal(new Set(buttons.map(({ look }) => look)).size, 1, `not equal: ${JSON.stringify(buttons)}`);
          assert.equal(await dialog.getAttribute('aria-modal'), 'false');
          assert.equal(await dialog.getAttribute('lang'), lang);
          assert.deepEqual(await flaws(page), []);
          const { x, width } = await dialog.boundingBox();
          assert.ok(x >= 0 && x + width <= sizes[size].width);
          await shot('first');
          await visitor.press('choose');
          assert.equal(await dialog.locator('input:checked').count(), 0, 'something is ticked already');
          assert.ok((await dialog.locator('input').count()) > 0);
          assert.deepEqual(await flaws(page), []);
          await shot('choose');
          await visitor.press('accept');
          await page.locator('[data-pforte-entry]').waitFor();
          assert.deepEqual(await flaws(page), []);
          await shot('entry');
          await end(visitor);
        });
      }
    }
  }

  test('before a decision nothing is stored, set or sent', async () => {
    const visitor = await meet();
    await visitor.page.evaluate(() => {
      window.pforte.track('Product Added', { price: 12.9 });
      window.pforte.page();
    });
    await visitor.page.waitForTimeout(1_200);
    assert.deepEqual(await visitor.cookies(), []);
    assert.deepEqual(await visitor.stored(), []);
    assert.deepEqual(visitor.sent(), []);
    assert.equal(await visitor.page.evaluate(() => window.pforte.consent.get().decided), false);
    // Whoever leaves without an answer has sent nothing either, and is asked again.
    await visitor.page.goto(`${site.origin}/?next`);
    await visitor.dialog.waitFor();
    assert.deepEqual(visitor.sent(), []);
    await end(visitor);
  });

  test('refuse: one click, a cookie that remembers it, and nothing else', async () => {
    const visitor = await meet();
    const before = await arrived();
    await visitor.press('refuse');
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    await visitor.page.evaluate(() => {
      window.pforte.track('Product Added');
      window.pforte.identify('kunde-1');
    });
    await visitor.page.goto(`${site.origin}/?next`);
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    await visitor.page.evaluate(() => window.pforte.track('Product Added'));
    await visitor.page.waitForTimeout(1_200);
    assert.deepEqual(await visitor.cookies(), ['pforte_choice']);
    assert.deepEqual(await visitor.stored(), []);
    assert.deepEqual(visitor.sent(), []);
    assert.equal(await visitor.dialog.count(), 0, 'it is asked again');
    await gateway.drain();
    assert.equal(await arrived(), before);
    await end(visitor);
  });

  test('accept: what waited arrives, under an ID that no script can read', async () => {
    const visitor = await meet();
    const before = await arrived();
    await visitor.press('accept');
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    assert.deepEqual(await visitor.cookies(), ['pforte_choice', 'pforte_id']);
    const id = (await visitor.context.cookies()).find(({ name }) => name === 'pforte_id');
    assert.equal(id.httpOnly, true);
    assert.equal(id.sameSite, 'Lax');
    const seen = await visitor.page.evaluate(() => document.cookie + JSON.stringify(window.pforte.consent.get()));
    assert.ok(!seen.includes(id.value));
    const events = await gateway.arrived(before + 1);
    assert.equal(events.at(-1).event, 'Product Viewed');
    assert.ok(!JSON.stringify(events).includes(id.value), 'the device has left');
    assert.ok(visitor.sent().every(({ body }) => !body.includes(id.value) && !body.includes('anonymousId')));
    // The next page knows, asks nothing and needs no notice.
    const asked = visitor.requests.filter(({ url }) => url.includes('/v1/notice')).length;
    await visitor.page.goto(`${site.origin}/?next`);
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    assert.equal(visitor.requests.filter(({ url }) => url.includes('/v1/notice')).length, asked);
    await gateway.arrived(before + 2);
    await end(visitor);
  });

  test('choose: only what was switched on is granted', async () => {
    const visitor = await meet({ size: 'phone', lang: 'en' });
    const before = await arrived();
    await visitor.press('choose');
    await visitor.page.locator('[data-pforte-purpose="analytics"]').check();
    await visitor.press('save');
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    assert.deepEqual(await visitor.page.evaluate(() => window.pforte.consent.get().granted), ['analytics']);
    assert.equal(await visitor.page.evaluate(() => window.pforte.consent.allows('personalization')), false);
    await gateway.arrived(before + 1);
    // Whoever comes back sees what they have chosen.
    await visitor.page.locator('[data-pforte-entry] [data-pforte-open]').click();
    const on = await visitor.dialog.locator('input:checked').evaluateAll((boxes) => boxes.map((box) => box.value));
    assert.deepEqual(on, ['analytics']);
    await end(visitor);
  });

  test('withdraw: as many clicks as granting took', async () => {
    const visitor = await meet();
    const before = await arrived();
    await visitor.press('accept');
    const withdraw = visitor.page.locator('[data-pforte-entry] [data-pforte-withdraw]');
    await withdraw.waitFor();
    await gateway.arrived(before + 1);
    await withdraw.click();
    await visitor.page.getByText('Alles widerrufen.', { exact: true }).waitFor();
    await withdraw.waitFor({ state: 'detached' });
    assert.deepEqual(await visitor.cookies(), ['pforte_choice']);
    const sent = visitor.sent().length;
    await visitor.page.evaluate(() => window.pforte.track('Product Added'));
    await visitor.page.waitForTimeout(1_200);
    assert.equal(visitor.sent().length, sent);
    await end(visitor);
  });

  test('what happened last is sent when the page goes away', async () => {
    const visitor = await meet();
    await visitor.press('accept');
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    await waitFor('the first event', async () => visitor.sent().length > 0);
    const before = await arrived();
    await visitor.page.evaluate(() => window.pforte.track('Left'));
    await visitor.page.goto('about:blank');
    await waitFor('the last event', async () => (await gateway.archive()).slice(before).some(({ event }) => event === 'Left'));
    await visitor.context.close();
  });

  test('by keyboard alone: first in the document, nobody is trapped, Escape decides nothing', async () => {
    const visitor = await meet();
    const { page, dialog } = visitor;
    const focused = () => page.evaluate(() => {
      let at = document.activeElement;
      while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
      return at === document.body ? '' : at.getAttribute('aria-label') ?? at.textContent;
    });
    assert.equal(await focused(), '', 'the focus was taken');
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'Schließen, ohne zu entscheiden');
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'Datenschutzerklärung');
    const order = [];
    for (let n = 0; n < 3; n++) {
      await page.keyboard.press('Tab');
      order.push(await focused());
    }
    assert.deepEqual(new Set(order), new Set(Object.values(NAMES.de).slice(0, 3)));
    const outline = await page.evaluate(() => {
      const at = document.querySelector('[data-pforte-root]').shadowRoot.activeElement;
      return getComputedStyle(at).outlineStyle;
    });
    assert.notEqual(outline, 'none');
    for (let n = 0; n < 3 && (await focused()) !== 'Datenschutz'; n++) await page.keyboard.press('Tab');
    assert.equal(await focused(), 'Datenschutz', 'the page behind cannot be reached');
    await page.keyboard.press('Enter');
    await dialog.locator('input').first().waitFor();
    await page.keyboard.press('Escape');
    await dialog.locator('[data-pforte-choose]').waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.deepEqual(await visitor.cookies(), []);
    await page.goto(`${site.origin}/?again`);
    await dialog.waitFor();
    while ((await focused()) !== NAMES.de.choose) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    while ((await focused()) !== 'Einzelheiten: Statistik') await page.keyboard.press('Tab');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Space');
    while ((await focused()) !== NAMES.de.save) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('[data-pforte-entry]').waitFor();
    assert.equal((await page.evaluate(() => window.pforte.consent.get().granted)).length, 1);
    assert.equal(await focused(), 'Datenschutz', 'the focus is lost');
    await end(visitor);
  });

  test('at a zoom of 400 % everything can be read and reached', async () => {
    const visitor = await visit(chromium, { viewport: { width: 320, height: 225 }, deviceScaleFactor: 4 });
    await visitor.page.goto(site.origin);
    for (const hook of ['choose', 'save']) {
      const button = visitor.page.locator(`[data-pforte-${hook}]`);
      await button.scrollIntoViewIfNeeded();
      const { x, y, width, height } = await button.boundingBox();
      assert.ok(x >= 0 && y >= 0 && x + width <= 320 && y + height <= 225, `${hook} is cut off`);
      const wide = await visitor.dialog.evaluate((dialog) => dialog.scrollWidth - dialog.clientWidth);
      assert.ok(wide <= 0, 'it scrolls sideways');
      await visitor.page.screenshot({ path: join(SCREENS, `banner-zoom-${hook}.png`) });
      await button.click();
    }
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    await end(visitor);
  });

  test('Consent Mode: denied before anything else, then what was decided', async () => {
    const visitor = await meet({}, '&tag=data-consent-mode');
    const said = () => visitor.page.evaluate(() => window.dataLayer.map((entry) => Array.from(entry)));
    const [[word, kind, denied]] = await said();
    assert.deepEqual([word, kind], ['consent', 'default']);
    assert.equal(Object.keys(denied).length, 7);
    assert.ok(Object.values(denied).every((value) => value === 'denied'));
    await visitor.press('accept');
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    const [, , update] = (await said()).at(-1);
    assert.equal((await said()).at(-1)[1], 'update');
    assert.equal(update.analytics_storage, 'granted');
    await visitor.press('withdraw');
    await waitFor('the tags to hear of it', async () => (await said()).at(-1)[2].analytics_storage === 'denied');
    await end(visitor);
  });

  test('the signal of the browser (GPC) is said, and counts', async () => {
    const visitor = await meet({ gpc: true });
    await visitor.dialog.locator('[data-pforte-gpc]').waitFor();
    assert.equal(await visitor.page.evaluate(() => window.pforte.consent.get().gpc), true);
    await visitor.page.screenshot({ path: join(SCREENS, 'banner-gpc.png') });
    await visitor.press('accept');
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    const { granted } = await visitor.page.evaluate(() => window.pforte.consent.get());
    assert.ok(granted.includes('analytics') && !granted.includes('ads_sharing'), granted.join());
    await end(visitor);
  });

  test('a token that no longer holds is fetched anew, for the same text', async () => {
    const visitor = await visit(chromium);
    let spoilt = 0;
    await visitor.page.route('**/v1/consents', async (route) => {
      const body = JSON.parse(route.request().postData());
      if (spoilt++ === 0) body.token = `${body.token.slice(0, -4)}AAAA`;
      await route.continue({ postData: JSON.stringify(body) });
    });
    await visitor.page.goto(site.origin);
    await visitor.press('accept');
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    assert.equal(spoilt, 2);
    assert.deepEqual(await visitor.cookies(), ['pforte_choice', 'pforte_id']);
    await visitor.context.close();
  });

  test('a page of its own can decide, and as a module it is the same', async () => {
    const visitor = await visit(chromium);
    await visitor.page.goto(`${site.origin}/?module`);
    await visitor.dialog.waitFor();
    const heard = await visitor.page.evaluate(async () => {
      const heard = [];
      const stop = window.pforte.consent.onChange(({ granted }) => heard.push(granted.join()));
      await window.pforte.consent.set({ analytics: true });
      await window.pforte.consent.set({ personalization: 'granted' });
      await window.pforte.consent.withdraw();
      stop();
      await window.pforte.consent.set({ analytics: true });
      return heard;
    });
    assert.deepEqual(heard, ['analytics', 'analytics,personalization', '']);
    assert.equal(await visitor.dialog.count(), 0);
    await end(visitor);
  });

  test('a visitor who decides in one tab is not asked in the other', async () => {
    const visitor = await meet();
    const other = await visitor.context.newPage();
    await other.goto(site.origin);
    await other.locator('[data-pforte-refuse]').click();
    await other.locator('[data-pforte-entry]').waitFor();
    await visitor.page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    await visitor.dialog.waitFor({ state: 'detached' });
    await end(visitor);
  });

  test('whether something must be asked again is looked up once a day', async () => {
    const visitor = await meet();
    await visitor.press('refuse');
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    const [cookie] = await visitor.context.cookies();
    const fields = cookie.value.split(':');
    fields[5] = String(Number(fields[5]) - 1);
    await visitor.context.addCookies([{ ...cookie, value: fields.join(':') }]);
    const asked = () => visitor.requests.filter(({ url }) => url.includes('/v1/notice')).length;
    const before = asked();
    await visitor.page.goto(`${site.origin}/?next`);
    await waitFor('the look', async () => asked() === before + 1);
    await waitFor('the day to be noted', async () => (await visitor.context.cookies())[0].value === cookie.value);
    assert.equal(await visitor.dialog.count(), 0, 'nothing has changed, so nothing is asked');
    await end(visitor);
  });

  test("an automatic client (DuckDuckGo's autoconsent) refuses by the rule that we ship", async () => {
    const rule = JSON.parse(await readFile(join(project, 'assets/banner/autoconsent.json'), 'utf8'));
    const client = await readFile(join(project, 'tests/browser/node_modules/@duckduckgo/autoconsent/dist/autoconsent.playwright.js'), 'utf8');
    const visitor = await visit(chromium);
    const heard = [];
    await visitor.context.exposeBinding('autoconsentSendMessage', async ({ frame }, message) => {
      heard.push(message);
      const answer = (text) => frame.evaluate((message) => window.autoconsentReceiveMessage(message), text);
      if (message.type === 'init') {
        const config = { enabled: true, autoAction: 'optOut', disabledCmps: [], enablePrehide: true, detectRetries: 20, isMainWorld: true };
        await answer({ id: message.id, type: 'initResp', rules: { autoconsent: [rule], consentomatic: {} }, config });
      } else if (message.type === 'eval') {
        const result = await frame.evaluate(message.code).catch(() => false);
        await answer({ id: message.id, type: 'evalResp', result });
      }
    });
    await visitor.page.goto(site.origin);
    await visitor.page.evaluate(client);
    await waitFor('the client to be done', async () => heard.some(({ type }) => type === 'autoconsentDone'), async () => JSON.stringify(heard));
    const result = heard.find(({ type }) => type === 'optOutResult');
    assert.deepEqual([result.cmp, result.result], ['pforte', true]);
    // The client is done when it has clicked, the banner when that was answered.
    await visitor.page.locator('[data-pforte-entry]').waitFor();
    assert.deepEqual(await visitor.cookies(), ['pforte_choice']);
    assert.deepEqual(await visitor.page.evaluate(() => window.pforte.consent.get().granted), []);
    await visitor.context.close();
  });
});
