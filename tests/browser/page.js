// What a website would bundle: the official SDK, unmodified, and the site's own banner.

import { AnalyticsBrowser } from '@segment/analytics-next';

/** Loads the SDK as a site does. Where events go is what the gateway's settings say. */
window.start = async (gateway, writeKey, deliveryStrategy) => {
  const options = { integrations: { 'Segment.io': { deliveryStrategy } } };
  const [analytics] = await AnalyticsBrowser.load({ writeKey, cdnURL: gateway }, options);
  window.analytics = analytics;
  return analytics.user().anonymousId();
};

/** The banner: tells the gateway what the visitor has decided. */
window.decide = async (gateway, writeKey, anonymousId, decisions) => {
  const headers = { authorization: `Basic ${btoa(`${writeKey}:`)}`, 'content-type': 'application/json' };
  const { token } = await (await fetch(`${gateway}/v1/notice?language=de`, { headers })).json();
  const answer = await fetch(`${gateway}/v1/consents`, {
    method: 'POST',
    credentials: 'include',
    headers,
    body: JSON.stringify({ anonymousId, method: 'banner', token, decisions }),
  });
  return answer.status;
};
