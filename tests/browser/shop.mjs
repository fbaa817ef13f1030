// A shop on another port of the same site as the gateway, under a strict content security policy, and what a browser saw there.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';

import { Gateway, waitFor } from '../sdk/gateway.mjs';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const sizes = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };

/**
 * Serves a shop whose pages load Pforte from the gateway as a customer's would: by the one line, with `?pinned` by the address with a
 * digest, with `?module` as a module. `at` is the name that the gateway has for them.
 */
export async function shop(gateway, at = gateway.url) {
  const website = await (await fetch(`${gateway.url}/docs/website`)).text();
  const [, pinned] = website.match(/\/(pforte-[0-9a-f]{16}\.js)/);
  const [, integrity] = website.match(/integrity=(?:"|&quot;|&#34;)(sha384-[\w+/=]+)/);
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://shop');
    if (pathname === '/shop.js') {
      response.writeHead(200, { 'content-type': 'text/javascript' });
      // What a site does before the script is there, and after.
      return response.end("(window.pforte ??= []).push(['track', 'Product Viewed', { product_id: '4001234567890' }]);");
    }
    if (pathname === '/module.js') {
      response.writeHead(200, { 'content-type': 'text/javascript' });
      return response.end(`import { start } from '${at}/pforte.mjs'; start({ key: 'wk_web' }).track('Product Viewed');`);
    }
    const more = searchParams.get('tag') ?? '';
    const script = searchParams.has('module')
      ? '<script type="module" src="/module.js"></script>'
      : searchParams.has('pinned')
        ? `<script src="/shop.js"></script><script async src="${at}/${pinned}" data-key="wk_web" ${more} integrity="${integrity}" crossorigin="anonymous"></script>`
        : `<script src="/shop.js"></script><script async src="${at}/pforte.js?writeKey=wk_web" ${more}></script>`;
    response.writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; img-src data:; script-src 'self' ${at}; connect-src ${at}; base-uri 'none'; require-trusted-types-for 'script'; trusted-types pforte`,
    });
    response.end(`<!doctype html><html lang="${searchParams.get('lang') ?? 'de'}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>Shop</title><link rel="icon" href="data:,">${script}</head>
<body><main><h1>Rotwein</h1><p>${'Ein Wein. '.repeat(400)}</p><button data-pforte-open>Datenschutz</button></main></body></html>`);
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return { origin: `http://127.0.0.1:${server.address().port}`, stop: () => new Promise((done) => { server.closeAllConnections(); server.close(done); }) };
}

/** A visitor: a fresh browser profile that notes everything it sees. */
export async function visit(chromium, { size = 'desktop', lang = 'de', colorScheme = 'light', gpc = false, ...options } = {}) {
  const context = await chromium.newContext({ viewport: sizes[size], locale: lang === 'de' ? 'de-DE' : 'en-GB', colorScheme, ...(gpc ? { extraHTTPHeaders: { 'Sec-GPC': '1' } } : {}), ...options });
  const complaints = [];
  const requests = [];
  await context.exposeBinding('noteViolation', (_, text) => complaints.push(text));
  await context.addInitScript((gpc) => {
    document.addEventListener('securitypolicyviolation', (event) => window.noteViolation(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
    window.shifted = 0;
    new PerformanceObserver((seen) => seen.getEntries().forEach((entry) => (window.shifted += entry.value))).observe({ type: 'layout-shift', buffered: true });
    if (gpc) Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true });
  }, gpc);
  context.on('request', (request) => requests.push({ method: request.method(), url: request.url(), body: request.postData() }));
  context.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
  context.on('weberror', (error) => complaints.push(String(error.error())));
  const page = await context.newPage();
  return {
    context, page, complaints, requests,
    dialog: page.locator('[data-pforte-dialog]'),
    press: (hook) => page.locator(`[data-pforte-${hook}]`).click(),
    /** The names of all cookies, the unreadable ones included. */
    cookies: async () => (await context.cookies()).map(({ name }) => name).sort(),
    /** Everything else that a page can keep. */
    stored: () => page.evaluate(async () => [...Object.keys(localStorage), ...Object.keys(sessionStorage), ...(await indexedDB.databases()).map(({ name }) => name), ...(await caches?.keys?.().catch(() => []) ?? [])]),
    sent: () => requests.filter(({ url }) => url.includes('/v1/batch')),
    shifted: () => page.evaluate(() => window.shifted),
  };
}

/** What axe-core finds wrong with the page as it stands. */
export async function flaws(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join('; ')}`);
}

export { Gateway, waitFor };
