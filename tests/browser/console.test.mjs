// The console in a real browser: a data-protection officer at work, in both languages, on a phone and a large screen, without JavaScript,
// by keyboard alone, and magnified.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { Secret, TOTP } from 'otpauth';

import { BINARY, Gateway, project, waitFor } from '../sdk/gateway.mjs';
import { violations } from './axe.mjs';
import { browser } from './site.mjs';

const SCREENS = join(project, 'target/screens');
const PASSWORD = 'Riesling vom Schiefer';
const sizes = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };
const PAGES = ['requests', 'file', 'proof', 'consents', 'policy', 'policy/versions', 'processing', 'destinations', 'ledger', 'audit', 'account'];
const words = {
  de: { locale: 'de-DE', name: 'Name', password: 'Passwort', code: 'Code', enter: 'Anmelden', file: 'Anfrage aufnehmen', kind: 'Was wird verlangt?', type: 'Art der Angabe', value: 'Angabe, genau wie sie lautet', clear: 'Es ist geklärt, dass die Person selbst anfragt', take: 'Aufnehmen', filed: 'Die Anfrage ist aufgenommen.', sure: 'Ich habe die Angaben geprüft', approve: 'Genehmigen', extend: 'Frist verlängern …', why: 'Begründung: Komplexität oder Zahl der Anträge', longer: 'Um zwei Monate verlängern', extended: 'Die Frist ist verlängert.', refuse: 'Ablehnen …', ground: 'Exzessiv, insbesondere wiederholt (Art. 12 Abs. 5)', reason: 'Begründung', refused: 'Abgelehnt.', no: 'Ablehnen', certificate: 'Zertifikat herunterladen', requests: 'Anfragen', nothingCorrected: 'Bitte sagen Sie, was zu berichtigen ist.', otherWords: /Heute gilt ein anderer Wortlaut/, words: 'Wortlaut', withToday: 'Mit dem vergleichen, was heute gilt', toVersions: 'Zu den Fassungen des Regelwerks', compare: 'Vergleichen', nobody: 'Niemand wird erneut gefragt.' },
  en: { locale: 'en-GB', name: 'Name', password: 'Password', code: 'Code', enter: 'Sign in', file: 'File a request', kind: 'What is asked for?', type: 'Type of identifier', value: 'Identifier, exactly as it is', clear: 'It is clear that the person asks whose data these are', take: 'File', filed: 'The request is filed.', sure: 'I have checked what is stated', approve: 'Approve', extend: 'Extend the deadline …', why: 'Why: complexity or number of requests', longer: 'Extend by two months', extended: 'The deadline is extended.', refuse: 'Refuse …', ground: 'Excessive, in particular repeated (Art. 12(5))', reason: 'Why', refused: 'Refused.', no: 'Refuse', certificate: 'Download the certificate', requests: 'Requests', nothingCorrected: 'Please say what is to be put right.', otherWords: /Other words are in force today/, words: 'The words', withToday: 'Compare with what is in force today', toVersions: 'To the versions of the policy', compare: 'Compare', nobody: 'Nobody is asked again.' },
};

describe('console', () => {
  let gateway;
  let chromium;
  let policies;
  before(async () => {
    policies = await mkdtemp(join(tmpdir(), 'pforte-policies-'));
    await cp(join(project, 'policies'), policies, { recursive: true });
    [gateway, chromium] = await Promise.all([Gateway.start({ policies }), browser(), mkdir(SCREENS, { recursive: true })]);
  });
  after(async () => {
    await chromium?.close();
    await gateway?.stop();
    await rm(policies, { recursive: true, force: true });
  });

  /** Puts another policy in force: words of the notice and of a purpose are others, in both languages. */
  let editions = 1;
  async function anotherPolicy() {
    editions += 1;
    const edit = async (file, ...changes) => {
      const path = join(policies, file);
      const text = changes.reduce((all, [from, to]) => all.replace(from, to), await readFile(path, 'utf8'));
      await writeFile(path, text);
    };
    await edit('notices/web-banner.de.toml', [/^version = \d+/, `version = ${editions}`], [/verwenden( \d+)?\?/, `verwenden ${editions}?`]);
    await edit('notices/web-banner.en.toml', [/^version = \d+/, `version = ${editions}`], [/your data( \d+)?\?/, `your data ${editions}?`]);
    await edit('purposes.toml', [/Wir zählen(, zum \d+\. Mal)?/, `Wir zählen, zum ${editions}. Mal`], [/We count( \d+)?/, `We count ${editions}`]);
    await promisify(execFile)(BINARY, ['policy', 'reload'], { cwd: gateway.folder });
  }

  /** The code of an authenticator, so many seconds from now. */
  const code = (secret, ahead = 0) => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + ahead * 1000 });

  /** Somebody who joins by a link and signs in, in a browser of their own. */
  async function officer(name, role, options) {
    const { stdout } = await promisify(execFile)(BINARY, ['admin', 'create', '--name', name, '--role', role], { cwd: gateway.folder });
    const t = words[options.locale?.startsWith('en') ? 'en' : 'de'];
    const context = await chromium.newContext(options);
    const page = await context.newPage();
    const complaints = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => request.url().startsWith('http') && !request.url().startsWith(gateway.url) && complaints.push(request.url()));
    await page.goto(stdout.split('\n')[0]);
    const secret = (await page.locator('code.secret').textContent()).replaceAll(' ', '');
    await page.locator('#password').fill(PASSWORD);
    await page.locator('#again').fill(PASSWORD);
    await page.locator('#code').fill(code(secret));
    await page.locator('form.narrow button').click();
    await page.locator('ul.codes').waitFor();
    await page.goto(`${gateway.url}/console`);
    await page.getByLabel(t.name, { exact: true }).fill(name);
    await page.getByLabel(t.password).fill(PASSWORD);
    await page.getByLabel(t.code).fill(code(secret, 30));
    await page.getByRole('button', { name: t.enter }).click();
    await page.waitForURL(role === 'admin' ? /destinations$/ : /requests$/);
    return { name, context, page, complaints, t };
  }

  async function file({ page, t }, kind, value) {
    await page.goto(`${gateway.url}/console/requests`);
    await page.getByRole('link', { name: t.file }).click();
    await page.getByLabel(t.kind).selectOption(kind);
    await page.getByLabel(t.type).selectOption('email');
    await page.getByLabel(t.value).fill(value);
    await page.getByLabel(t.clear).check();
    await page.getByRole('button', { name: t.take, exact: true }).click();
    await page.getByText(t.filed).waitFor();
    return new URL(page.url()).pathname.split('/').at(-1);
  }

  let number = 0;
  for (const [language, t] of Object.entries(words)) {
    for (const [size, viewport] of Object.entries(sizes)) {
      test(`${language}, ${size}, without JavaScript: sign in, find, extend, approve, certificate, refuse`, async () => {
        const who = await officer(`ines${(number += 1)}`, 'dpo', { viewport, locale: t.locale, javaScriptEnabled: false, acceptDownloads: true });
        const { page } = who;
        const id = await file(who, 'erasure', `erika${number}@muster.example`);
        await page.getByRole('link', { name: t.requests, exact: true }).click();
        await page.locator(`a[href="/console/requests/${id}"]`).click();
        await page.getByText(t.extend).click();
        await page.getByLabel(t.why).fill('viele Anfragen');
        await page.getByRole('button', { name: t.longer }).click();
        await page.getByText(t.extended).waitFor();
        await page.getByLabel(t.sure).check();
        await page.getByRole('button', { name: t.approve, exact: true }).click();
        await waitFor('the certificate', async () => {
          await page.goto(`${gateway.url}/console/requests/${id}`);
          return (await page.getByText(t.certificate).count()) > 0;
        });
        const [download] = await Promise.all([page.waitForEvent('download'), page.getByText(t.certificate).click()]);
        assert.equal(download.suggestedFilename(), `${id}.jws`);
        await file(who, 'access', `otto${number}@muster.example`);
        await page.getByText(t.refuse).click();
        await page.getByLabel(t.ground).check();
        await page.getByLabel(t.reason, { exact: true }).fill('zum fünften Mal');
        await page.getByRole('button', { name: t.no, exact: true }).click();
        await page.getByText(t.refused).waitFor();
        assert.deepEqual(who.complaints, []);
        await who.context.close();
      });
    }
  }

  for (const [language, t] of Object.entries(words)) {
    test(`${language}, without JavaScript: a rectification is filed, consent is proven in the words of then, and versions are compared`, async () => {
      const who = await officer(`vera${language}`, 'dpo', { viewport: sizes.desktop, locale: t.locale, javaScriptEnabled: false });
      const { page } = who;
      const email = `${language}.karl@muster.example`;
      await gateway.decide({ identifiers: { email }, method: 'banner', decisions: { analytics: 'granted' } });
      const shown = editions > 1 ? ` ${editions}` : '';
      await anotherPolicy();

      await page.goto(`${gateway.url}/console/file`);
      await page.getByLabel(t.kind).selectOption('rectification');
      await page.locator('#type').selectOption('email');
      await page.locator('#value').fill(email);
      await page.getByRole('button', { name: t.take, exact: true }).click();
      await page.getByRole('alert').getByText(t.nothingCorrected).waitFor();
      await page.locator('#wrong_type_1').selectOption('email');
      await page.locator('#wrong_from_1').fill(email);
      await page.locator('#wrong_to_1').fill(`right.${email}`);
      await page.locator('#trait_name_1').fill('city');
      await page.locator('#trait_value_1').fill('Mainz');
      await page.getByRole('button', { name: t.take, exact: true }).click();
      await page.getByText(t.filed).waitFor();
      await page.locator('del', { hasText: email }).waitFor();
      await page.locator('ins', { hasText: `right.${email}` }).waitFor();
      await page.locator('dd', { hasText: /^Mainz$/ }).waitFor();

      await page.goto(`${gateway.url}/console/proof`);
      await page.locator('#type').selectOption('email');
      await page.locator('#value').fill(email);
      await page.locator('#reason').fill('17');
      await page.locator('form.narrow button').click();
      await page.getByText(t.otherWords).waitFor();
      await page.getByText(t.words, { exact: true }).click();
      await page.locator('blockquote strong', { hasText: `verwenden${shown}?` }).waitFor();
      await page.getByRole('link', { name: t.withToday }).click();
      await page.locator('ins', { hasText: `${editions}` }).first().waitFor();

      await page.getByRole('link', { name: t.toVersions }).click();
      await page.locator('input[name=old]').nth(1).check();
      await page.locator('input[name=new]').first().check();
      await page.getByRole('button', { name: t.compare }).click();
      await page.getByText(t.nobody).waitFor();
      assert.ok((await page.locator('ins').count()) >= 4, 'a notice and a purpose in two languages');
      // A browser notes that the form was not taken at first.
      assert.deepEqual(who.complaints.filter((text) => !text.includes('422')), []);
      await who.context.close();
    });
  }

  for (const colorScheme of ['light', 'dark']) {
    test(`axe finds nothing on any page, ${colorScheme}, and each fits a phone and 400 %`, async () => {
      const who = await officer(`axel${colorScheme}`, 'dpo', { viewport: sizes.desktop, locale: 'de-DE', colorScheme });
      const { page } = who;
      await gateway.decide({ identifiers: { email: 'erika@muster.example' }, method: 'banner', decisions: { analytics: 'granted', personalization: 'denied' } });
      const id = await file(who, 'erasure', 'erika@muster.example');
      await anotherPolicy();
      const look = async (name) => {
        await page.setViewportSize(sizes.desktop);
        assert.deepEqual(await violations(page), [], name);
        await page.screenshot({ path: join(SCREENS, `console-${name}-desktop-${colorScheme}.png`), fullPage: true });
        // 1280 px at 400 % are 320 px (WCAG 2.2, 1.4.10).
        await page.setViewportSize({ width: 320, height: 640 });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        assert.ok(wide <= 0, `${name} is ${wide} px too wide`);
        await page.setViewportSize(sizes.phone);
        assert.deepEqual(await violations(page), [], `${name} on a phone`);
        await page.screenshot({ path: join(SCREENS, `console-${name}-phone-${colorScheme}.png`), fullPage: true });
      };
      for (const name of PAGES) {
        await page.goto(`${gateway.url}/console/${name}`);
        await look(name.replace('/', '-'));
      }
      await page.goto(`${gateway.url}/console/policy/versions`);
      await page.locator('main form button').click();
      await page.locator('ins').first().waitFor();
      await look('comparison');
      await page.goto(`${gateway.url}/console/file`);
      await page.locator('details > summary').click();
      await look('rectification');
      await page.goto(`${gateway.url}/console/requests/${id}`);
      for (const summary of await page.locator('details > summary').all()) await summary.click();
      await look('request');
      await page.goto(`${gateway.url}/console/proof`);
      await page.locator('#type').selectOption('email');
      await page.locator('#value').fill('erika@muster.example');
      await page.locator('#reason').fill('Beschwerde 17');
      await page.locator('form.narrow button').click();
      await page.locator('ol.cards').waitFor();
      for (const summary of await page.locator('details > summary').all()) await summary.click();
      await look('proven');
      await page.goto(`${gateway.url}/console/officers`);
      await look('stopped');
      const admin = await officer(`anton${colorScheme}`, 'admin', { viewport: sizes.desktop, locale: 'de-DE', colorScheme });
      await admin.page.goto(`${gateway.url}/console/officers`);
      assert.deepEqual(await violations(admin.page), []);
      await admin.page.screenshot({ path: join(SCREENS, `console-officers-desktop-${colorScheme}.png`), fullPage: true });
      await admin.context.close();
      const stranger = await chromium.newPage({ viewport: sizes.phone, colorScheme, locale: 'de-DE' });
      await stranger.goto(`${gateway.url}/console`);
      assert.deepEqual(await violations(stranger), []);
      await stranger.screenshot({ path: join(SCREENS, `console-sign-in-phone-${colorScheme}.png`) });
      await stranger.close();
      await who.context.close();
    });
  }

  test('by keyboard alone a request is found, read and approved', async () => {
    const who = await officer('kim', 'dpo', { viewport: sizes.desktop, locale: 'de-DE' });
    const { page } = who;
    const id = await file(who, 'access', 'karla@muster.example');
    await page.goto(`${gateway.url}/console/requests`);
    const until = async (selector) => {
      for (let step = 0; step < 80; step += 1) {
        await page.keyboard.press('Tab');
        if (await page.evaluate((sought) => document.activeElement?.matches(sought), selector)) return;
      }
      assert.fail(`${selector} cannot be reached by keyboard`);
    };
    await until(`a[href="/console/requests/${id}"]`);
    await page.keyboard.press('Enter');
    await page.waitForURL(new RegExp(id));
    await until('input[name="sure"]');
    await page.keyboard.press('Space');
    await until('form[action$="/approve"] button');
    await page.keyboard.press('Enter');
    await page.getByText('Genehmigt.').waitFor();
    await who.context.close();
  });
});
