// The portal in a real browser: what people do there, in both languages, on a phone and a large screen, with and without JavaScript.

import assert from 'node:assert/strict';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { Gateway, project, waitFor } from '../sdk/gateway.mjs';
import { violations } from './axe.mjs';
import { browser } from './site.mjs';

const SCREENS = join(project, 'target/screens');
const sizes = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };
const PAGES = ['/portal', '/portal/preferences', '/portal/data', '/portal/history', '/portal/requests', '/portal/requests/new/erasure', '/portal/requests/new/objection', '/portal/requests/new/rectification'];
const words = {
  de: { locale: 'de-DE', send: 'Link schicken', enter: 'Jetzt anmelden', email: 'Ihre E-Mail-Adresse', statistics: 'Statistik', saved: 'ist jetzt erlaubt', erase: 'Alles löschen', submit: 'Löschung beantragen', asked: 'Ihre Anfrage liegt uns vor', rights: 'Meine Rechte', access: 'Auskunft', request: 'Anfrage absenden', fetch: 'Alles, für Programme (JSON)', out: 'Abmelden', likes: 'Vorlieben', colour: 'Was trinken Sie am liebsten?', red: 'Rotwein', bottle: 'Wie viel darf eine Flasche kosten, in Euro?', channel: 'Per E-Mail', save: 'Speichern', wrong: 'Bitte schreiben Sie eine ganze Zahl von 3 bis 500.', used: 'wird dafür verwendet', forget: 'Vergessen', forgotten: 'Vergessen, auch im Verlauf' },
  en: { locale: 'en-GB', send: 'Send the link', enter: 'Sign in now', email: 'Your e-mail address', statistics: 'Statistics', saved: 'is allowed now', erase: 'Erase everything', submit: 'Ask for erasure', asked: 'We have your request', rights: 'My rights', access: 'Access', request: 'Send the request', fetch: 'Everything, for programs (JSON)', out: 'Sign out', likes: 'Preferences', colour: 'What do you like best?', red: 'Red wine', bottle: 'What may a bottle cost, in euros?', channel: 'By e-mail', save: 'Save', wrong: 'Please write a whole number from 3 to 500.', used: 'is used for it', forget: 'Forget this', forgotten: 'Forgotten, in the history as well' },
};

describe('portal', () => {
  let gateway;
  let chromium;
  let operator;
  before(async () => {
    [gateway, chromium] = await Promise.all([Gateway.start(), browser(), mkdir(SCREENS, { recursive: true })]);
    operator = JSON.parse(await readFile(join(gateway.folder, 'data/operator.json'), 'utf8')).token;
  });
  after(async () => {
    await chromium?.close();
    await gateway?.stop();
  });

  /** Somebody whom the shop knows by an address, and a browser of theirs. */
  async function visit(name, options) {
    const email = `${name}@muster.example`;
    await gateway.decide({ identifiers: { email }, anonymousId: `geraet-${name}-0815`, method: 'portal', decisions: { analytics: 'denied', personalization: 'granted' } });
    const track = { anonymousId: `geraet-${name}-0815`, event: 'Product Viewed', messageId: `${name}-1`, properties: { email, price: 12.9 } };
    await fetch(`${gateway.url}/v1/track`, { method: 'POST', headers: { authorization: `Basic ${btoa('wk_web:')}` }, body: JSON.stringify(track) });
    const context = await chromium.newContext(options);
    const page = await context.newPage();
    const complaints = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => request.url().startsWith('http') && !request.url().startsWith(gateway.url) && complaints.push(request.url()));
    return { email, context, page, complaints };
  }

  /** The link in the newest mail to an address. */
  async function link(email) {
    const folder = join(gateway.folder, 'data/mail');
    let found;
    await waitFor('a mail with a link', async () => {
      const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.eml'));
      const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
      const theirs = texts.filter((text) => text.includes(`To: ${email}`)).map((text) => text.replace(/=\r?\n/g, ''));
      found = theirs.flatMap((text) => text.match(/http:\/\/\S+?\/portal\/enter\/[\w-]{43}/g) ?? []).at(0);
      return found;
    });
    return found;
  }

  async function signIn({ page, email }, t) {
    await page.goto(`${gateway.url}/portal`);
    await page.getByLabel(t.email).fill(email);
    await page.getByRole('button', { name: t.send }).click();
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.goto(await link(email));
    await page.getByRole('button', { name: t.enter }).click();
    await page.waitForURL(/\/portal$/);
  }

  /** What an officer does. */
  async function approve(kind) {
    const headers = { authorization: `Bearer ${operator}`, 'content-type': 'application/json' };
    const { requests } = await (await fetch(`${gateway.url}/v1/requests?state=in_review&kind=${kind}`, { headers })).json();
    for (const { id } of requests) await fetch(`${gateway.url}/v1/requests/${id}/approve`, { method: 'POST', headers, body: '{}' });
  }

  /** Says what they like: wrong at first, then right; and has one thing forgotten. */
  async function states(page, t) {
    await page.getByRole('link', { name: t.likes }).click();
    await page.waitForURL(/\/portal\/preferences$/);
    await page.getByLabel(t.colour).selectOption(t.red);
    await page.getByLabel(t.channel, { exact: true }).selectOption('weekly');
    await page.getByLabel(t.bottle).fill('12,50');
    await page.getByRole('button', { name: t.save }).click();
    await page.getByText(t.wrong).waitFor();
    assert.equal(await page.getByLabel(t.colour).inputValue(), 'red', 'what fits stays');
    assert.equal(await page.getByLabel(t.bottle).getAttribute('aria-invalid'), 'true');
    await page.getByLabel(t.bottle).fill('12');
    await page.getByRole('button', { name: t.save }).click();
    await page.waitForURL(/done=saved$/);
    const colour = page.locator('#c-favourite_colour');
    await colour.getByText(t.used).waitFor();
    assert.equal(await page.getByLabel(t.bottle).inputValue(), '12');
    await colour.getByRole('button', { name: t.forget }).click();
    await page.waitForURL(/done=forgotten$/);
    await page.getByText(t.forgotten).waitFor();
    assert.equal(await page.getByLabel(t.colour).inputValue(), '');
    assert.equal(await page.getByLabel(t.channel, { exact: true }).inputValue(), 'weekly');
  }

  let number = 0;
  for (const [language, t] of Object.entries(words)) {
    for (const [size, viewport] of Object.entries(sizes)) {
      for (const javaScriptEnabled of [true, false]) {
        test(`${language}, ${size}, ${javaScriptEnabled ? 'with' : 'without'} JavaScript: sign in, change, download, delete`, async () => {
          const visitor = await visit(`erika-${(number += 1)}`, { viewport, locale: t.locale, javaScriptEnabled, acceptDownloads: true });
          const { page } = visitor;
          await signIn(visitor, t);
          const toggle = page.getByRole('switch', { name: t.statistics });
          assert.equal(await toggle.getAttribute('aria-checked'), 'false');
          await toggle.click();
          await page.getByText(t.saved).waitFor();
          assert.equal(await toggle.getAttribute('aria-checked'), 'true');
          await states(page, t);
          await page.getByRole('link', { name: t.rights }).click();
          await page.getByRole('link', { name: t.access, exact: true }).click();
          await page.getByRole('button', { name: t.request }).click();
          await page.getByText(t.asked).waitFor();
          await approve('access');
          await waitFor('the package', async () => {
            await page.goto(`${gateway.url}/portal/requests`);
            return (await page.getByText(t.fetch).count()) > 0;
          });
          const [file] = await Promise.all([page.waitForEvent('download'), page.getByText(t.fetch).click()]);
          const fetched = JSON.parse(await readFile(await file.path(), 'utf8'));
          assert.ok(fetched.identifiers.some((one) => one.value === visitor.email), JSON.stringify(fetched.identifiers));
          await page.getByRole('link', { name: t.erase }).click();
          await page.getByRole('button', { name: t.submit }).click();
          await page.getByText(t.asked).waitFor();
          await approve('erasure');
          await waitFor('the end of the session', async () => {
            await page.goto(`${gateway.url}/portal`);
            return page.url().endsWith('/portal/sign-in');
          });
          // A form that says what is wrong is an answer that browsers note.
          assert.deepEqual(visitor.complaints.filter((line) => !line.includes('status of 422')), []);
          await visitor.context.close();
        });
      }
    }
  }

  for (const colorScheme of ['light', 'dark']) {
    test(`axe finds nothing on any page, ${colorScheme}, and each fits`, async () => {
      const visitor = await visit(`axel-${colorScheme}`, { viewport: sizes.phone, locale: 'de-DE', colorScheme });
      const { page } = visitor;
      const look = async (name) => {
        assert.deepEqual(await violations(page), [], name);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        assert.ok(wide <= 0, `${name} is ${wide} px too wide`);
        await page.screenshot({ path: join(SCREENS, `portal-${name}-phone-${colorScheme}.png`), fullPage: true });
      };
      await page.goto(`${gateway.url}/portal/sign-in`);
      await look('sign-in');
      await page.getByLabel(words.de.email).fill(visitor.email);
      await page.getByRole('button', { name: words.de.send }).click();
      await page.getByText('Bitte sehen Sie in Ihr Postfach').waitFor();
      await look('sent');
      await page.goto(await link(visitor.email));
      await look('enter');
      await page.getByRole('button', { name: words.de.enter }).click();
      await page.getByRole('switch', { name: words.de.statistics }).click();
      await page.getByText(words.de.saved).waitFor();
      await look('saved');
      await page.getByRole('switch', { name: 'Newsletter' }).click();
      await page.getByRole('button', { name: 'Doch nicht' }).waitFor();
      await look('pending');
      await page.goto(`${gateway.url}/portal/preferences`);
      await page.getByLabel(words.de.bottle).fill('viel');
      await page.getByLabel('für jeden Tag').check();
      await page.getByRole('button', { name: words.de.save }).click();
      await page.getByText(words.de.wrong).waitFor();
      await look('preferences-wrong');
      await page.getByLabel(words.de.bottle).fill('12');
      await page.getByLabel(words.de.colour).selectOption(words.de.red);
      await page.getByLabel(words.de.channel, { exact: true }).selectOption('monthly');
      await page.getByRole('button', { name: words.de.save }).click();
      await page.waitForURL(/done=saved$/);
      await look('preferences-saved');
      await page.goto(`${gateway.url}/portal/requests/new/access`);
      await page.getByRole('button', { name: words.de.request }).click();
      await page.getByText(words.de.asked).waitFor();
      for (const path of PAGES) {
        await page.goto(gateway.url + path);
        await look(path.replace('/portal', 'home').replaceAll('/', '-'));
      }
      await page.setViewportSize(sizes.desktop);
      for (const path of PAGES) {
        await page.goto(gateway.url + path);
        assert.deepEqual(await violations(page), [], path);
        await page.screenshot({ path: join(SCREENS, `portal-${path.replace('/portal', 'home').replaceAll('/', '-')}-desktop-${colorScheme}.png`), fullPage: true });
      }
      await page.setViewportSize(sizes.phone);
      await page.setExtraHTTPHeaders({ 'Sec-GPC': '1' });
      await page.goto(`${gateway.url}/portal`);
      await page.getByText('durch Ihren Browser abgelehnt').waitFor();
      await look('signal');
      await page.goto(`${gateway.url}/portal/nowhere`);
      await look('refused');
      await visitor.context.close();
    });
  }

  test('the keyboard alone is enough', async () => {
    const visitor = await visit('klara', { viewport: sizes.desktop, locale: 'en-GB' });
    const { page } = visitor;
    const to = async (what) => {
      for (let i = 0; i < 60; i += 1) {
        await page.keyboard.press('Tab');
        const here = await page.evaluate(() => {
          const { activeElement: at } = document;
          const outline = getComputedStyle(at).outlineStyle;
          return { id: at.id, text: at.innerText ?? '', outline };
        });
        if (here.id === what || here.text.trim() === what) {
          assert.notEqual(here.outline, 'none', `where ${what} is cannot be seen`);
          return;
        }
      }
      assert.fail(`${what} cannot be reached`);
    };
    await page.goto(`${gateway.url}/portal`);
    await to('email');
    await page.keyboard.type(visitor.email);
    await page.keyboard.press('Enter');
    await page.getByText('Please look into your mailbox').waitFor();
    await page.goto(await link(visitor.email));
    await to(words.en.enter);
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/portal$/);
    await to('s-analytics');
    await page.keyboard.press('Space');
    await page.getByText(words.en.saved).waitFor();
    // The focus stays where it was.
    assert.equal(await page.evaluate(() => document.activeElement.id), 's-analytics');
    await page.keyboard.press('Enter');
    await page.getByText('is withdrawn').waitFor();
    await page.goto(`${gateway.url}/portal/preferences`);
    await to('f-bottle_budget');
    await page.keyboard.type('12');
    await page.keyboard.press('Enter');
    await page.waitForURL(/done=saved$/);
    await page.getByText('Stored is: 12').waitFor();
    await page.goto(`${gateway.url}/portal/requests`);
    await to(words.en.erase);
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/requests\/new\/erasure$/);
    await to(words.en.submit);
    await page.keyboard.press('Enter');
    await page.getByText(words.en.asked).waitFor();
    await visitor.context.close();
  });

  test('at 400 % nothing is cut off', async () => {
    // 1280 px at 400 % are 320 px.
    const visitor = await visit('zoe', { viewport: { width: 320, height: 256 }, locale: 'de-DE', deviceScaleFactor: 4 });
    await signIn(visitor, words.de);
    for (const path of PAGES) {
      await visitor.page.goto(gateway.url + path);
      const wide = await visitor.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(wide <= 0, `${path} is ${wide} px too wide`);
    }
    await visitor.context.close();
  });
});
