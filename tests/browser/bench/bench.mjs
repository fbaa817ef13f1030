// What the banner costs a website, beside two well-known ones and a banner that stands in the page itself, in one run:
// `tests/run --only banner-bench`. Medians of several fresh visits, in turns. What the columns mean is printed with them.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
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

/** A stylesheet as a shop has one: nothing of the page is on the screen before it is there. 49 kB, 11 kB of them on the wire. */
const SHEET = Array.from({ length: 900 }, (_, n) => `.tile-${n} > .label-${(n * 7919) % 997}{margin:${(n * 31) % 64}px ${(n * 17) % 48}px;color:#${((n * 2654435) % 0xffffff).toString(16).padStart(6, '0')}}`).join('\n');

async function candidates(gateway) {
  const cookieconsent = ['vanilla-cookieconsent/dist/cookieconsent.umd.js', 'vanilla-cookieconsent/dist/cookieconsent.css'];
  const files = {
    '/shop.css': SHEET,
    '/cc.js': await read(cookieconsent[0]),
    '/cc.css': await read(cookieconsent[1]),
    '/klaro.js': await read('klaro/dist/klaro.js'),
  };
  const size = (...names) => names.reduce((all, name) => all + gzipSync(files[name], { level: 9 }).length, 0);
  const get = async (name) => Buffer.from(await (await fetch(`${gateway.url}${name}`, { headers: { 'accept-language': 'de' } })).arrayBuffer());
  const website = String(await get('/docs/website'));
  const [, pinned] = website.match(/(\/pforte-[0-9a-f]{16}\.js)/);
  const [, integrity] = website.match(/integrity=(?:"|&quot;|&#34;)(sha384-[\w+/=]+)/);
  const [, banner] = String(await get(pinned)).match(/(\/pforte-banner-[0-9a-f]{16}\.js)/);
  const packed = async (...names) => (await Promise.all(names.map(get))).reduce((all, text) => all + gzipSync(text, { level: 9 }).length, 0);
  const line = '/pforte.js?writeKey=wk_web';
  const own = { body: '', box: '[data-pforte-dialog]', press: '[data-pforte-refuse]' };
  const ccConfig = `CookieConsent.run({hideFromBots:false,categories:{necessary:{enabled:true,readOnly:true},analytics:{}},language:{default:'de',translations:{de:{consentModal:{title:'Dürfen wir?',description:'Sie entscheiden.',acceptAllBtn:'Alle annehmen',acceptNecessaryBtn:'Alle ablehnen',showPreferencesBtn:'Auswählen'},preferencesModal:{title:'Auswahl',acceptAllBtn:'Alle annehmen',acceptNecessaryBtn:'Alle ablehnen',savePreferencesBtn:'Speichern',sections:[]}}}}})`;
  const klaroConfig = `var klaroConfig={mustConsent:false,acceptAll:true,lang:'de',services:[{name:'analytics',purposes:['analytics']}]}`;
  return {
    files,
    pages: {
      'inline, static': { kb: gzipSync(STATIC).length, head: '', body: STATIC, box: '#c', press: '#c button' },
      Pforte: { ...own, kb: await packed(line), head: `<script async src="${gateway.url}${line}"></script>` },
      'Pforte, pinned': { ...own, kb: await packed(pinned, banner, '/v1/notice?writeKey=wk_web'), head: `<script async src="${gateway.url}${pinned}" data-key="wk_web" integrity="${integrity}" crossorigin="anonymous"></script>` },
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
    const text = file ?? `<!doctype html><html lang="de"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Shop</title><link rel="icon" href="data:,">${searchParams.has('sheet') ? '<link rel="stylesheet" href="/shop.css">' : ''}${page.head}</head><body>${page.body}<h1>Rotwein</h1>${'<p>Ein Wein, der den Winter kennt und sich nicht daran stört.</p>'.repeat(120)}</body></html>`;
    response.writeHead(200, { 'content-type': type, 'content-encoding': 'gzip', 'cache-control': 'no-store' });
    response.end(gzipSync(text));
  });
  return new Promise((ready) => server.listen(0, '127.0.0.1', () => ready({ origin: `http://127.0.0.1:${server.address().port}`, stop: () => { server.closeAllConnections(); server.close(); } })));
}

/** One fresh visit: when the banner was on the screen and what came before, and how long its button held up the next frame. */
async function visit(chromium, url, { box, press }, slow) {
  const context = await chromium.newContext({ viewport: { width: 412, height: 823 }, locale: 'de-DE' });
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  // CPU time of the page's main thread, whatever else the machine does.
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const cpu = async () => (await session.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'TaskDuration').value * 1e3;
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
    /** How many requests came one after the other: the most of those before `end` of which each began when the one before was over. */
    const rounds = (end) => {
      const all = ['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind)).filter(({ responseEnd }) => responseEnd && responseEnd <= end);
      let [count, last] = [0, -1];
      for (const { startTime, responseEnd } of all.sort((a, b) => a.responseEnd - b.responseEnd)) {
        if (startTime >= last) [count, last] = [count + 1, responseEnd];
      }
      // What stands in the page itself can be seen before all of the page is there.
      return Math.max(count, 1);
    };
    window.visible = new Promise((seen) => {
      const look = () => {
        if (!find()) return requestAnimationFrame(look);
        const visible = performance.now();
        seen({ visible, rounds: rounds(visible), painted: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? visible });
      };
      requestAnimationFrame(look);
    });
    window.slowest = { duration: 0, processingStart: 0, processingEnd: 0, startTime: 0 };
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => entry.interactionId && entry.duration > window.slowest.duration && (window.slowest = entry))).observe({ type: 'event', durationThreshold: 16, buffered: true });
  }, box);
  await page.goto(url, { waitUntil: 'commit' });
  const seen = await page.evaluate(() => Promise.race([window.visible, new Promise((_, lost) => setTimeout(() => lost(new Error('the banner did not appear')), 20_000))]));
  const spent = await cpu();
  await page.waitForTimeout(slow ? 1_500 : 400);
  await page.locator(press).first().click();
  await page.waitForTimeout(slow ? 1_500 : 300);
  const pressed = await page.evaluate(() => {
    const { startTime, processingStart, processingEnd, duration } = window.slowest;
    return { inp: duration, wait: processingStart - startTime, work: processingEnd - processingStart, paint: startTime + duration - processingEnd };
  });
  await context.close();
  return { ...seen, cpu: spent, ...pressed };
}

const middle = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

const gateway = await Gateway.start();
const chromium = await browser();
const all = await candidates(gateway);
const site = await serve(all);
const rows = Object.fromEntries(Object.keys(all.pages).map((name) => [name, { plain: [], slow: [], sheet: [] }]));
try {
  // In turns, so that whatever else the machine does is borne by all alike.
  for (let n = 0; n < VISITS; n++) {
    for (const kind of ['plain', 'slow', 'sheet']) {
      for (const [name, page] of Object.entries(all.pages)) {
        const url = `${site.origin}/?which=${encodeURIComponent(name)}${kind === 'sheet' ? '&sheet' : ''}`;
        rows[name][kind].push(await visit(chromium, url, page, kind !== 'plain'));
      }
    }
  }
} finally {
  await chromium.close();
  site.stop();
  await gateway.stop();
}
const of = (visits, what) => Math.round(middle(visits.map((visit) => visit[what])));
const beside = (visits, kind) => (of(visits, 'visible') / of(rows['inline, static'][kind], 'visible')).toFixed(2);
console.log(`${cpus().length} × ${cpus()[0].model.trim()}, load ${loadavg().map((load) => load.toFixed(1)).join(' ')} at the end, ${VISITS} visits each; gateway ${process.env.PFORTE_BIN ?? 'target/debug/pforte'}
Slow: CPU ${SLOW.cpu}×, ${SLOW.network.latency} ms, 1.6 Mbit/s. Bytes: gzipped, notice included. Visible: from the start of navigation until the banner's box is on the screen.
Slow, sheet: the same on a page that has a stylesheet of its own, as all shops have. Of inline: how many times what a banner in the page itself takes.
Rounds: requests one after the other until then, the page's own included. Painted: when there was anything on the screen. CPU: of the page's main thread until the
banner is seen. INP: from pressing the button to the next frame; of which waiting, handlers, and style, layout and paint.

| banner | bytes | visible | slow | of inline | slow, sheet | of inline | rounds, slow | painted, slow | CPU, slow | INP | INP, slow | of which, slow |
|---|---|---|---|---|---|---|---|---|---|---|---|---|`);
for (const [name, { plain, slow, sheet }] of Object.entries(rows)) {
  const [seen, painted, cpu] = ['visible', 'painted', 'cpu'].map((what) => of(slow, what));
  const parts = ['wait', 'work', 'paint'].map((what) => of(slow, what)).join(' + ');
  console.log(`| ${name} | ${all.pages[name].kb} | ${of(plain, 'visible')} ms | ${seen} ms | ${beside(slow, 'slow')} | ${of(sheet, 'visible')} ms | ${beside(sheet, 'sheet')} | ${of(slow, 'rounds')} | ${painted} ms | ${cpu} ms | ${of(plain, 'inp')} ms | ${of(slow, 'inp')} ms | ${parts} ms |`);
}
