// What the banner costs a website, beside two well-known ones and a banner that stands in the page itself, in one run:
// `tests/run --only banner-bench`. Sizes are gzipped. "Visible" is from the start of navigation until the banner's box is on the screen;
// "INP" is the longest time from pressing a button to the next paint. Medians of several fresh visits.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';

import { Gateway } from '../../sdk/gateway.mjs';
import { browser } from '../site.mjs';

const VISITS = Number(process.env.VISITS ?? 9);
const SLOW = { cpu: 4, network: { offline: false, latency: 150, downloadThroughput: 1.6e6 / 8, uploadThroughput: 750e3 / 8 } };
const require = createRequire(import.meta.url);
const read = (name) => readFile(require.resolve(name));

const STATIC = `<style>#c{position:fixed;inset:auto 1rem 1rem;max-width:46rem;margin:auto;padding:1.4rem;background:#fff;border:1px solid #ccc;border-radius:14px}</style>
<div id="c" role="dialog"><h2>Dürfen wir Ihre Daten verwenden?</h2><p>Sie entscheiden, wofür wir verwenden, was Sie in unserem Shop tun.</p><button>Alle ablehnen</button><button>Alle annehmen</button><button>Auswählen</button></div>
<script>c.onclick=(e)=>e.target.tagName==='BUTTON'&&c.remove()</script>`;

async function candidates(gateway) {
  const cookieconsent = ['vanilla-cookieconsent/dist/cookieconsent.umd.js', 'vanilla-cookieconsent/dist/cookieconsent.css'];
  const files = {
    '/cc.js': await read(cookieconsent[0]),
    '/cc.css': await read(cookieconsent[1]),
    '/klaro.js': await read('klaro/dist/klaro.js'),
  };
  const size = (...names) => names.reduce((all, name) => all + gzipSync(files[name], { level: 9 }).length, 0);
  const own = async (name) => Number((await fetch(`${gateway.url}/${name}`, { headers: { 'accept-encoding': 'gzip' } })).headers.get('content-length'));
  const loader = await (await fetch(`${gateway.url}/pforte.js`)).text();
  const [, banner] = loader.match(/\/(pforte-banner-[0-9a-f]{16}\.js)/);
  const ccConfig = `CookieConsent.run({hideFromBots:false,categories:{necessary:{enabled:true,readOnly:true},analytics:{}},language:{default:'de',translations:{de:{consentModal:{title:'Dürfen wir?',description:'Sie entscheiden.',acceptAllBtn:'Alle annehmen',acceptNecessaryBtn:'Alle ablehnen',showPreferencesBtn:'Auswählen'},preferencesModal:{title:'Auswahl',acceptAllBtn:'Alle annehmen',acceptNecessaryBtn:'Alle ablehnen',savePreferencesBtn:'Speichern',sections:[]}}}}})`;
  const klaroConfig = `var klaroConfig={mustConsent:false,acceptAll:true,lang:'de',services:[{name:'analytics',purposes:['analytics']}]}`;
  return {
    files,
    pages: {
      'inline, static': { kb: gzipSync(STATIC).length, head: '', body: STATIC, box: '#c', press: '#c button' },
      Pforte: { kb: (await own('pforte.js')) + (await own(banner)), loader: await own('pforte.js'), head: `<script async src="${gateway.url}/pforte.js" data-key="wk_web"></script>`, body: '', box: '[data-pforte-dialog]', press: '[data-pforte-refuse]' },
      'Pforte, preloaded': { kb: (await own('pforte.js')) + (await own(banner)), loader: await own('pforte.js'), head: `<script async src="${gateway.url}/pforte.js" data-key="wk_web"></script><link rel="preload" as="script" crossorigin href="${gateway.url}/${banner}"><link rel="preload" as="fetch" crossorigin="use-credentials" href="${gateway.url}/v1/notice?writeKey=wk_web&language=de">`, body: '', box: '[data-pforte-dialog]', press: '[data-pforte-refuse]' },
      'vanilla-cookieconsent': { kb: size('/cc.js', '/cc.css'), head: '<link rel="stylesheet" href="/cc.css"><script defer src="/cc.js"></script><script defer src="/cc-run.js"></script>', body: '', box: '#cc-main .cm', press: '#cc-main [data-role=necessary]', run: ccConfig },
      klaro: { kb: size('/klaro.js'), head: '<script defer src="/klaro-run.js"></script><script defer src="/klaro.js"></script>', body: '', box: '.klaro .cookie-notice', press: '.klaro .cn-decline', run: klaroConfig },
    },
  };
}

function serve({ files, pages }) {
  const runs = { '/cc-run.js': pages['vanilla-cookieconsent'].run, '/klaro-run.js': pages.klaro.run };
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://bench');
    const file = files[pathname] ?? runs[pathname];
    const page = pages[searchParams.get('which')];
    if (!file && !page) return response.writeHead(404).end();
    const type = file ? (pathname.endsWith('.css') ? 'text/css' : 'text/javascript; charset=utf-8') : 'text/html; charset=utf-8';
    const text = file ?? `<!doctype html><html lang="de"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Shop</title><link rel="icon" href="data:,">${page.head}</head><body>${page.body}<h1>Rotwein</h1>${'<p>Ein Wein, der den Winter kennt und sich nicht daran stört.</p>'.repeat(120)}</body></html>`;
    response.writeHead(200, { 'content-type': type, 'content-encoding': 'gzip', 'cache-control': 'no-store' });
    response.end(gzipSync(text));
  });
  return new Promise((ready) => server.listen(0, '127.0.0.1', () => ready({ origin: `http://127.0.0.1:${server.address().port}`, stop: () => { server.closeAllConnections(); server.close(); } })));
}

/** One fresh visit: when the banner was on the screen, and how long pressing its button held up the next paint. */
async function visit(chromium, url, { box, press }, slow) {
  const context = await chromium.newContext({ viewport: { width: 412, height: 823 } });
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  if (slow) {
    await session.send('Network.enable');
    await session.send('Network.emulateNetworkConditions', SLOW.network);
    await session.send('Emulation.setCPUThrottlingRate', { rate: SLOW.cpu });
  }
  await page.addInitScript((box) => {
    const find = () => {
      const root = document.querySelector('[data-pforte-root]')?.shadowRoot ?? document;
      const found = root.querySelector?.(box);
      const { width = 0, height = 0 } = found?.getBoundingClientRect() ?? {};
      return width * height > 0 && getComputedStyle(found).visibility === 'visible' && found;
    };
    window.visible = new Promise((seen) => {
      const look = () => (find() ? seen(performance.now()) : requestAnimationFrame(look));
      requestAnimationFrame(look);
    });
    window.slowest = 0;
    new PerformanceObserver((list) => list.getEntries().forEach(({ interactionId, duration }) => interactionId && (window.slowest = Math.max(window.slowest, duration)))).observe({ type: 'event', durationThreshold: 16, buffered: true });
  }, box);
  await page.goto(url, { waitUntil: 'commit' });
  const visible = await page.evaluate(() => Promise.race([window.visible, new Promise((_, lost) => setTimeout(() => lost(new Error('the banner did not appear')), 20_000))]));
  await page.waitForTimeout(slow ? 1_500 : 400);
  await page.locator(press).first().click();
  await page.waitForTimeout(slow ? 1_500 : 300);
  const inp = await page.evaluate(() => window.slowest);
  await context.close();
  return { visible, inp };
}

const middle = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

const gateway = await Gateway.start();
const chromium = await browser();
const all = await candidates(gateway);
const site = await serve(all);
const rows = Object.fromEntries(Object.keys(all.pages).map((name) => [name, { plain: [], slow: [] }]));
try {
  // In turns, so that whatever else the machine does is borne by all alike.
  for (let n = 0; n < VISITS; n++) {
    for (const slow of [false, true]) {
      for (const [name, page] of Object.entries(all.pages)) {
        rows[name][slow ? 'slow' : 'plain'].push(await visit(chromium, `${site.origin}/?which=${encodeURIComponent(name)}`, page, slow));
      }
    }
  }
} finally {
  await chromium.close();
  site.stop();
  await gateway.stop();
}
const of = (visits, what) => Math.round(middle(visits.map((visit) => visit[what])));
console.log(`| banner | bytes gz | visible | visible, slow | of inline | INP | INP, slow |\n|---|---|---|---|---|---|---|`);
const inline = of(rows['inline, static'].slow, 'visible');
for (const [name, { plain, slow }] of Object.entries(rows)) {
  const seen = of(slow, 'visible');
  console.log(`| ${name} | ${all.pages[name].kb}${all.pages[name].loader ? ` (loader ${all.pages[name].loader})` : ''} | ${of(plain, 'visible')} ms | ${seen} ms | ${(seen / inline).toFixed(2)} | ${of(plain, 'inp')} ms | ${of(slow, 'inp')} ms |`);
}
