// What a website would bundle: the official SDK, unmodified, and the site's own banner.

import { AnalyticsBrowser } from '@segment/analytics-next';

/** Loads the SDK as a site does: settings and events go to the gateway, nothing anywhere else. */
window.start = async (gateway, writeKey, deliveryStrategy) => {
  const host = new URL(gateway).host;
  const options = { integrations: { 'Segment.io': { apiHost: `${host}/v1`, protocol: 'http', deliveryStrategy } } };
  const [analytics] = await AnalyticsBrowser.load({ writeKey, cdnURL: gateway }, options);
  window.analytics = analytics;
  return analytics.user().anonymousId();
};

/** The banner: tells the gateway what the visitor has decided. */
window.decide = async (gateway, writeKey, anonymousId, decisions) => {
  const answer = await fetch(`${gateway}/v1/consents`, {
    method: 'POST',
    credentials: 'include',
    headers: { authorization: `Basic ${btoa(`${writeKey}:`)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ anonymousId, method: 'banner', language: 'de', decisions }),
  });
  return answer.status;
};
