// The official Node SDKs, unmodified.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';

import { Analytics } from '@segment/analytics-node';

import { Gateway } from './gateway.mjs';
import { CALLS, assertOnlyErika, people, plain } from './people.mjs';

const RudderAnalytics = createRequire(import.meta.url)('@rudderstack/rudder-sdk-node');

/** An SDK as the suite drives it: send every call of a person, then hand over what is queued. */
const sdks = [
  {
    name: '@segment/analytics-node',
    source: 'service',
    key: 'wk_service',
    async send(url, key, cast) {
      const analytics = new Analytics({ writeKey: key, host: url, flushAt: 7, maxRetries: 2 });
      const errors = [];
      analytics.on('error', (error) => errors.push(error));
      for (const person of cast) {
        for (const call of CALLS) analytics[call](person.said[call]);
      }
      await analytics.closeAndFlush({ timeout: 20_000 });
      assert.deepEqual(errors, []);
    },
  },
  {
    name: '@rudderstack/rudder-sdk-node with gzip',
    source: 'till',
    key: 'wk_till',
    send: (url, key, cast) => rudder(url, key, cast, {}),
  },
  {
    name: '@rudderstack/rudder-sdk-node without gzip',
    source: 'app',
    key: 'wk_app',
    send: (url, key, cast) => rudder(url, key, cast, { gzip: false }),
  },
];

async function rudder(url, key, cast, options) {
  const client = new (RudderAnalytics.default ?? RudderAnalytics)(key, { dataPlaneUrl: url, flushAt: 5, logLevel: 'error', ...options });
  const outcomes = [];
  for (const person of cast) {
    for (const call of CALLS) {
      outcomes.push(new Promise((done) => client[call](person.said[call], done)));
    }
  }
  const errors = Promise.all(outcomes).then((all) => all.filter(Boolean));
  let open = true;
  errors.then(() => (open = false));
  while (open) {
    await client.flush();
    await new Promise((next) => setTimeout(next, 10));
  }
  assert.deepEqual(await errors, []);
}

for (const sdk of sdks) {
  describe(sdk.name, () => {
    let gateway;
    let cast;
    before(async () => {
      gateway = await Gateway.start();
      cast = await people(gateway);
    });
    after(() => gateway?.stop(cast ? plain(cast) : []));

    test('delivers exactly what was consented to, and nothing plain', async () => {
      await sdk.send(gateway.url, sdk.key, [cast.erika, cast.unasked, cast.refuser]);
      assertOnlyErika(await gateway.arrived(CALLS.length), cast, sdk.source);
    });

    test('after a withdrawal the same calls stay out', async () => {
      const before = (await gateway.archive()).length;
      await gateway.decide({ userId: cast.erika.userId, decisions: { analytics: 'denied' } });
      await sdk.send(gateway.url, sdk.key, [cast.erika]);
      await gateway.drain();
      assert.equal((await gateway.archive()).length, before);
    });
  });
}
