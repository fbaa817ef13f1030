// A website on another origin, its bundle, and the browser that visits it.

import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const HERE = dirname(fileURLToPath(import.meta.url));
const PAGE = '<!doctype html><html lang="de"><head><meta charset="utf-8"><title>Weinhaus Muster</title></head><body><h1>Rotwein</h1><script src="/page.js"></script></body></html>';

/** Serves the site; resolves to its origin and a way to stop it. */
export async function site() {
  const built = await build({ entryPoints: [join(HERE, 'page.js')], bundle: true, format: 'iife', target: 'es2020', write: false, logLevel: 'error' });
  const script = built.outputFiles[0].text;
  const server = createServer((request, response) => {
    const js = request.url === '/page.js';
    response.writeHead(200, { 'content-type': js ? 'text/javascript' : 'text/html; charset=utf-8' });
    response.end(js ? script : PAGE);
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const origin = `http://localhost:${server.address().port}`;
  return { origin, stop: () => new Promise((done) => server.close(done)) };
}

/** How long a profile may take to be thrown away. Chromium has been seen not to answer that at all; it goes with the browser then. */
const CLOSING_MS_MAX = 10_000;

/** Debian's Chromium, which asks nobody but the pages that it visits. */
export async function browser() {
  const launched = await chromium.launch({
    executablePath: process.env.PFORTE_CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-dev-shm-usage',
      '--no-first-run',
    ],
  });
  const newContext = launched.newContext.bind(launched);
  launched.newContext = async (options) => {
    const context = await newContext(options);
    const close = context.close.bind(context);
    context.close = () => Promise.race([close(), new Promise((enough) => setTimeout(enough, CLOSING_MS_MAX).unref())]);
    return context;
  };
  return launched;
}
