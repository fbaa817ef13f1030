// The gateway's own pages: they fit a phone, need no script, load nothing from elsewhere. Screenshots go to target/screens/.

import assert from 'node:assert/strict';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { Gateway, project, waitFor } from '../sdk/gateway.mjs';
import { browser } from './site.mjs';

const SCREENS = join(project, 'target/screens');
const sizes = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };

describe('pages', () => {
  let gateway;
  let chromium;
  before(async () => {
    [gateway, chromium] = await Promise.all([Gateway.start(), browser(), mkdir(SCREENS, { recursive: true })]);
  });
  after(async () => {
    await chromium?.close();
    await gateway?.stop();
  });

  for (const [path, name] of [['/', 'start'], ['/docs', 'docs'], ['/docs/errors', 'errors']]) {
    for (const [size, viewport] of Object.entries(sizes)) {
      for (const colorScheme of ['light', 'dark']) {
        test(`${path} on a ${size}, ${colorScheme}`, async () => {
          const context = await chromium.newContext({ viewport, colorScheme, javaScriptEnabled: true });
          const page = await context.newPage();
          const complaints = [];
          const hosts = new Set();
          page.on('console', (message) => complaints.push(message.text()));
          page.on('pageerror', (error) => complaints.push(String(error)));
          page.on('request', (request) => request.url().startsWith('http') && hosts.add(new URL(request.url()).origin));
          const answer = await page.goto(gateway.url + path);
          assert.equal(answer.status(), 200);
          assert.match(answer.headers()['content-security-policy'], /default-src 'none'/);
          const seen = await page.evaluate(() => ({
            wide: document.documentElement.scrollWidth - window.innerWidth,
            ground: getComputedStyle(document.body).backgroundColor,
            heading: document.querySelectorAll('h1').length,
            cookie: document.cookie,
            broken: [...document.querySelectorAll('a[href^="#"]')].filter((a) => !document.getElementById(a.hash.slice(1))).map((a) => a.hash),
          }));
          assert.ok(seen.wide <= 0, `the page is ${seen.wide} px too wide`);
          assert.equal(seen.heading, 1);
          assert.equal(seen.cookie, '');
          assert.deepEqual(seen.broken, [], 'links to nowhere');
          const dark = seen.ground.match(/\d+/g).slice(0, 3).every((part) => Number(part) < 80);
          assert.equal(dark, colorScheme === 'dark', `style is not applied: ${seen.ground}`);
          assert.deepEqual(complaints, []);
          assert.deepEqual([...hosts], [gateway.url]);
          await page.screenshot({ path: join(SCREENS, `${name}-${size}-${colorScheme}.png`), fullPage: size === 'desktop' });
          await context.close();
        });
      }
    }
  }

  test('the pages behind links in mails fit, need no script and are usable by keyboard', async () => {
    const ask = { kind: 'access', identifiers: { email: 'erika@muster.example' }, language: 'de' };
    const headers = { authorization: `Basic ${btoa('wk_web:')}`, 'content-type': 'application/json' };
    const asked = await fetch(`${gateway.url}/v1/requests`, { method: 'POST', headers, body: JSON.stringify(ask) });
    assert.equal(asked.status, 202);
    const confirm = await link(gateway, []);
    for (const [size, viewport] of Object.entries(sizes)) {
      for (const colorScheme of ['light', 'dark']) {
        const context = await chromium.newContext({ viewport, colorScheme, javaScriptEnabled: false });
        const page = await context.newPage();
        for (const [name, path] of [['confirm', confirm], ['no-link', `${gateway.url}/r/none`]]) {
          const answer = await page.goto(path);
          assert.match(answer.headers()['content-security-policy'], /default-src 'none'.*form-action 'self'/);
          const { width } = await page.locator('main').boundingBox();
          assert.ok(width <= viewport.width, `${name} is ${width} px wide`);
          await page.screenshot({ path: join(SCREENS, `${name}-${size}-${colorScheme}.png`) });
        }
        await context.close();
      }
    }
    const context = await chromium.newContext({ javaScriptEnabled: false, viewport: sizes.phone });
    const page = await context.newPage();
    await page.goto(confirm);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByText('Danke, Ihre Anfrage ist bestätigt').waitFor();
    const status = await link(gateway, [confirm]);
    await page.goto(status);
    await page.screenshot({ path: join(SCREENS, 'status-phone-light.png') });
    await page.getByRole('button', { name: 'Anfrage zurücknehmen' }).click();
    await page.getByText('Ihre Anfrage ist zurückgenommen').waitFor();
    await context.close();
  });
});

/** The link of a mail in the folder that is none of these. */
async function link(gateway, known) {
  const folder = join(gateway.folder, 'data/mail');
  let found;
  await waitFor('a mail with a link', async () => {
    const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.eml'));
    const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
    // Quoted-printable breaks long lines.
    const links = texts.flatMap((text) => text.replace(/=\r?\n/g, '').match(/http:\/\/\S+?\/r\/[\w-]{43}/g) ?? []);
    found = links.find((one) => !known.includes(one));
    return found;
  });
  return found;
}
