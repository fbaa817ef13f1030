// Three visitors who do the same things. One has consented, one was never asked, one has refused.

import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';

/** Every call of the tracking API, once. */
export const CALLS = ['identify', 'track', 'page', 'screen', 'group', 'alias'];

export class Person {
  constructor(name) {
    this.name = name;
    this.anonymousId = randomUUID();
    this.userId = `kunde-${name}-${randomUUID().slice(0, 8)}`;
    this.email = `${name}.Kanarienvogel@Muster.example`;
    this.formerId = `alt-${name}-${randomUUID().slice(0, 8)}`;
    this.basket = `basket-of-${name}`;
  }

  /** What must stand nowhere outside the sender. */
  get plain() {
    return [this.anonymousId, this.userId, this.email, this.formerId, 'kanarienvogel'];
  }

  /** The same facts for every SDK; each spells the calls its own way. */
  get said() {
    const ids = { userId: this.userId, anonymousId: this.anonymousId };
    const properties = { basket: this.basket, price: 12.9, email: this.email, url: `https://shop.example.de/?utm_source=nl&email=${encodeURIComponent(this.email)}` };
    return {
      identify: { ...ids, traits: { email: this.email, name: `${this.name} Kanarienvogel` } },
      track: { ...ids, event: 'Product Viewed', properties },
      page: { ...ids, name: 'Rotwein', properties },
      screen: { ...ids, name: 'Warenkorb', properties },
      group: { ...ids, groupId: 'weinfreunde', traits: { basket: this.basket } },
      alias: { ...ids, previousId: this.formerId },
    };
  }
}

const ALLOWED = { analytics: 'granted', identity_linking: 'granted', personalization: 'denied', marketing_email: 'denied', ads_sharing: 'denied' };
const REFUSED = Object.fromEntries(Object.keys(ALLOWED).map((purpose) => [purpose, 'denied']));

/** Three people with different decisions, and the decisions recorded. */
export async function people(gateway) {
  const cast = { erika: new Person('erika'), unasked: new Person('unasked'), refuser: new Person('refuser') };
  for (const [person, decisions] of [[cast.erika, ALLOWED], [cast.refuser, REFUSED]]) {
    await gateway.decide({ anonymousId: person.anonymousId, decisions });
    await gateway.decide({ userId: person.userId, decisions });
  }
  return cast;
}

/** Every plain value of everybody. */
export function plain(cast) {
  return Object.values(cast).flatMap((person) => person.plain);
}

/** Exactly Erika's calls have arrived, under one pseudonym, with the address hashed under a key. */
export function assertOnlyErika(events, cast, source, calls = CALLS) {
  const { erika } = cast;
  const said = events.map((event) => event.type).sort();
  assert.deepEqual(said, [...calls].sort(), JSON.stringify(events, null, 1));
  const text = JSON.stringify(events).toLowerCase();
  for (const value of plain(cast)) {
    assert.ok(!text.includes(value.toLowerCase()), `a plain identifier arrived: ${value}`);
    assert.ok(!text.includes(encodeURIComponent(value).toLowerCase()), `an identifier arrived in a URL: ${value}`);
  }
  for (const other of [cast.unasked, cast.refuser]) {
    assert.ok(!text.includes(other.basket), `${other.name} has not consented`);
  }
  const customers = new Set(events.map((event) => event.customerId));
  assert.equal(customers.size, 1, [...customers].join(' '));
  assert.match([...customers][0], /^cus_[0-9a-f]{32}$/);
  assert.equal(new Set(events.map((event) => event.messageId)).size, events.length);
  for (const event of events) {
    assert.equal(event.source, source);
    assert.ok(Math.abs(Date.now() - Date.parse(event.timestamp)) < 120_000, event.timestamp);
  }
  assertHashed(events, erika.email);
  const track = events.find((event) => event.type === 'track');
  assert.deepEqual([track.event, track.properties.basket, track.properties.price], ['Product Viewed', erika.basket, 12.9]);
  assert.ok(track.properties.url.includes('utm_source=nl'), track.properties.url);
}

/** The address is there wherever it was stated, always the same, in a form that nobody else can compute. */
function assertHashed(events, email) {
  const normalised = email.toLowerCase();
  const unkeyed = ['md5', 'sha1', 'sha256', 'sha512'].flatMap((name) =>
    ['hex', 'base64', 'base64url'].map((form) => createHash(name).update(normalised).digest(form)),
  );
  const stated = events.filter((event) => ['identify', 'track', 'page', 'screen'].includes(event.type));
  const forms = stated.map((event) => event.identifiers?.email);
  assert.ok(forms.length > 0 && forms.every((form) => form?.form === 'keyed' && form.value.length >= 40), JSON.stringify(forms));
  assert.equal(new Set(forms.map((form) => form.value)).size, 1);
  const text = JSON.stringify(events);
  for (const hash of unkeyed) {
    assert.ok(!text.includes(hash), 'an unkeyed hash of the address arrived');
  }
}
