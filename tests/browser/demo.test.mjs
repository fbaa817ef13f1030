// The demo shop, served by the gateway itself: it tells each visitor what the gate decides about their events.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { project } from '../sdk/gateway.mjs';
import { Gateway, flaws, sizes, visit, waitFor } from './shop.mjs';
import { browser } from './site.mjs';

const SCREENS = join(project, 'target/screens');

describe('demo shop', () => {
  let gateway;
  let chromium;
  before(async () => {
    [gateway, chromium] = await Promise.all([Gateway.start(), browser(), mkdir(SCREENS, { recursive: true })]);
  });
  after(async () => {
    await chromium?.close();
    await gateway?.stop();
  });

  for (const [lang, size, colorScheme] of [['de', 'desktop', 'light'], ['en', 'phone', 'dark'], ['de', 'phone', 'light'], ['en', 'desktop', 'dark']]) {
    test(`a visit: ${lang}, ${size}, ${colorScheme}`, async () => {
      const visitor = await visit(chromium, { lang, size, colorScheme });
      const { page, dialog } = visitor;
      const shot = (name) => page.screenshot({ path: join(SCREENS, `demo-${name}-${lang}-${size}-${colorScheme}.png`), fullPage: name !== 'first' });
      const before = (await gateway.archive()).length;
      await page.goto(`${gateway.url}/demo?lang=${lang}`);
      await dialog.waitFor();
      await shot('first');
      assert.deepEqual(await flaws(page), []);
      assert.equal(await page.locator('#events .wait').count(), 1, 'the page view waits');
      assert.deepEqual(await visitor.cookies(), []);

      await visitor.press('refuse');
      await page.locator('#events .withhold').first().waitFor();
      await page.locator('.shelf button').first().click();
      await page.locator('#events > li:first-child .withhold').first().waitFor();
      assert.equal(await page.locator('#events .forward').count(), 0);
      assert.deepEqual(visitor.sent(), []);

      await page.locator('aside [data-pforte-open]').click();
      await visitor.press('accept');
      await page.locator('[data-pforte-entry]').waitFor();
      await page.locator('#state').getByText(lang === 'de' ? 'Statistik' : 'Statistics').waitFor();
      await page.locator('.shelf button').nth(1).click();
      await page.locator('#events > li:first-child .forward').first().waitFor();
      await page.locator('#order').click();
      await page.locator('#events > li:first-child .forward').first().waitFor();
      await page.locator('#events > li:first-child summary').first().click();
      assert.match(await page.locator('#events > li:first-child pre').first().textContent(), /"cus_[0-9a-f]{32}"/);
      assert.deepEqual(await flaws(page), []);
      await shot('accepted');
      await gateway.arrived(before + 2);

      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(wide <= 0, `the page is ${wide} px too wide`);
      assert.deepEqual(visitor.complaints, []);
      assert.ok(visitor.requests.every(({ url }) => url.startsWith(gateway.url)), 'a request went elsewhere');
      await visitor.context.close();
    });
  }

  test('how to put it on a website can be read and is accessible', async () => {
    for (const [size, colorScheme] of [['phone', 'light'], ['desktop', 'dark']]) {
      const visitor = await visit(chromium, { size, colorScheme });
      await visitor.page.goto(`${gateway.url}/docs/website`);
      assert.deepEqual(await flaws(visitor.page), []);
      const { width } = await visitor.page.locator('main').boundingBox();
      assert.ok(width <= sizes[size].width);
      await visitor.page.screenshot({ path: join(SCREENS, `website-${size}-${colorScheme}.png`), fullPage: true });
      await visitor.context.close();
    }
  });
});
