// @segment/analytics-next, unmodified, in a real browser on a site of another origin.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Gateway, waitFor } from '../sdk/gateway.mjs';
import { browser, site } from './site.mjs';

const GRANTED = { analytics: 'granted', personalization: 'denied', identity_linking: 'granted', marketing_email: 'denied', ads_sharing: 'denied' };
const EMAIL = 'Erika.Kanarienvogel@Muster.example';

const strategies = {
  standard: { strategy: 'standard', config: { credentials: 'include' } },
  batching: { strategy: 'batching', config: { size: 4, timeout: 300, credentials: 'include' } },
};

describe('@segment/analytics-next', () => {
  let gateway;
  let shop;
  let chromium;
  const needles = ['kanarienvogel'];
  before(async () => {
    [gateway, shop, chromium] = await Promise.all([Gateway.start(), site(), browser()]);
  });
  after(async () => {
    await chromium?.close();
    await shop?.stop();
    await gateway?.stop(needles);
  });

  /** A new visitor with an empty browser on the shop's page. */
  async function visit(strategy, key = 'wk_web') {
    const context = await chromium.newContext();
    const page = await context.newPage();
    const seen = { failures: [], hosts: new Set(), paths: [], preflights: 0, statuses: [] };
    page.on('requestfailed', (request) => seen.failures.push(`${request.url()} ${request.failure()?.errorText}`));
    page.on('pageerror', (error) => seen.failures.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && seen.failures.push(message.text()));
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.protocol.startsWith('http')) seen.hosts.add(url.host);
      if (url.origin === gateway.url) seen.paths.push(`${request.method()} ${url.pathname}`);
    });
    page.on('response', (response) => seen.statuses.push(`${response.status()} ${response.url()}`));
    await page.goto(shop.origin);
    const anonymousId = await page.evaluate(([url, k, s]) => window.start(url, k, s), [gateway.url, key, strategy]);
    needles.push(anonymousId);
    return { context, page, seen, anonymousId };
  }

  /** Every call of the SDK, tagged so that it can be told apart. */
  const play = (page, tag) =>
    page.evaluate(
      async ([tag, email]) => {
        const { analytics } = window;
        const properties = { tag, price: 18.9, url: `https://shop.example.de/?utm_source=nl&email=${encodeURIComponent(email)}` };
        await Promise.all([
          analytics.page('Rotwein', properties),
          analytics.track('Product Added', { ...properties, email }),
          analytics.screen('Warenkorb', properties),
          analytics.identify(`kunde-${tag}`, { email, tag }),
          analytics.group('weinfreunde', { tag }),
          analytics.alias(`kunde-${tag}`, `alt-${tag}`),
        ]);
      },
      [tag, EMAIL],
    );

  const decide = (visitor, decisions) =>
    visitor.page.evaluate(([url, id, d]) => window.decide(url, 'wk_web', id, d), [gateway.url, visitor.anonymousId, decisions]);

  /** Waits until the browser has had an answer for so many events. */
  async function answered(visitor, count) {
    await waitFor(`${count} events to be answered`, () => {
      const sent = visitor.seen.statuses.filter((line) => /^200 .*\/v1\/(t|i|p|g|a|s|b)$/.test(line));
      return sent.length >= count;
    }, async () => JSON.stringify(visitor.seen.statuses, null, 1));
  }

  function assertQuiet(visitor) {
    assert.deepEqual(visitor.seen.failures, []);
    const expected = new Set([new URL(gateway.url).host, new URL(shop.origin).host]);
    assert.deepEqual(visitor.seen.hosts, expected, 'a page may talk to nobody else');
    assert.ok(visitor.seen.paths.includes('GET /v1/projects/wk_web/settings'), visitor.seen.paths.join('\n'));
  }

  for (const [name, strategy] of Object.entries(strategies)) {
    // Batches of four: six calls are two requests.
    const requests = name === 'standard' ? 6 : 2;

    test(`${name}: who was never asked leaves nothing behind`, async () => {
      const visitor = await visit(strategy);
      const before = (await gateway.archive()).length;
      await play(visitor.page, `unasked-${name}`);
      await answered(visitor, requests);
      await gateway.drain();
      assert.equal((await gateway.archive()).length, before);
      assertQuiet(visitor);
      await visitor.context.close();
    });

    test(`${name}: what was consented to arrives, under one pseudonym and with the address hashed`, async () => {
      const visitor = await visit(strategy);
      const tag = `erika-${name}`;
      needles.push(`kunde-${tag}`, `alt-${tag}`);
      const before = (await gateway.archive()).length;
      assert.equal(await decide(visitor, GRANTED), 201);
      await play(visitor.page, tag);
      await answered(visitor, requests);
      const events = (await gateway.arrived(before + 6)).slice(before);
      assert.deepEqual(events.map((event) => event.type).sort(), ['alias', 'group', 'identify', 'page', 'screen', 'track']);
      const text = JSON.stringify(events).toLowerCase();
      for (const needle of ['kanarienvogel', visitor.anonymousId, `kunde-${tag}`]) {
        assert.ok(!text.includes(needle.toLowerCase()), `${needle} arrived`);
      }
      const track = events.find((event) => event.type === 'track');
      assert.deepEqual([track.event, track.properties.tag, track.properties.price], ['Product Added', tag, 18.9]);
      assert.equal(track.identifiers.email.form, 'keyed');
      for (const event of events) assert.match(event.customerId, /^cus_[0-9a-f]{32}$/);
      assertQuiet(visitor);
      await visitor.context.close();
    });
  }

  test("the site's own banner may report decisions as an event", async () => {
    const visitor = await visit(strategies.standard);
    const before = (await gateway.archive()).length;
    const report = (preferences) =>
      visitor.page.evaluate(
        (categoryPreferences) => window.analytics.track('Segment Consent Preference Updated', {}, { context: { consent: { categoryPreferences } } }),
        preferences,
      );
    const view = (tag) => visitor.page.evaluate((t) => window.analytics.track('Product Viewed', { tag: t }), tag);
    await report({ Analytics: true, Advertising: false });
    await answered(visitor, 1);
    await view('after-yes');
    await answered(visitor, 2);
    await report({ Analytics: false, Advertising: false });
    await answered(visitor, 3);
    await view('after-no');
    await answered(visitor, 4);
    await gateway.drain();
    const tags = (await gateway.archive()).slice(before).map((event) => event.properties?.tag).filter(Boolean);
    assert.deepEqual(tags, ['after-yes']);
    await visitor.context.close();
  });

  test('a page that is left still delivers what was batched', async () => {
    const visitor = await visit({ strategy: 'batching', config: { size: 100, timeout: 60_000, credentials: 'include' } });
    const before = (await gateway.archive()).length;
    assert.equal(await decide(visitor, GRANTED), 201);
    await visitor.page.evaluate(() => window.analytics.track('Product Viewed', { tag: 'parting' }));
    await visitor.page.goto('about:blank');
    const events = (await gateway.arrived(before + 1)).slice(before);
    assert.equal(events[0].properties.tag, 'parting');
    await visitor.context.close();
  });

  test('a site that is not in the policy is turned away by the browser', async () => {
    const context = await chromium.newContext();
    const page = await context.newPage();
    // The same site under a name that no source allows.
    await page.route('http://fremd.example/**', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>x</title>' }));
    await page.goto('http://fremd.example/');
    const outcome = await page.evaluate(async (url) => {
      const send = fetch(`${url}/v1/t`, { method: 'POST', body: JSON.stringify({ writeKey: 'wk_web', anonymousId: 'x', event: 'Theft' }) });
      return send.then((answer) => answer.status, () => 'blocked');
    }, gateway.url);
    assert.equal(outcome, 'blocked');
    await context.close();
  });
});
