// A page's tag says everything, by its attributes and its address. `window.pforte` is there when it has run.

import { start } from './loader.js';

export function run(more) {
  const { src, dataset, nonce } = document.currentScript;
  const [path] = src.split('?');
  const asked = new URL(src).searchParams;
  const waiting = Array.isArray(window.pforte) ? window.pforte : [];
  window.pforte = start({
    key: asked.get('writeKey') ?? dataset.key,
    gateway: dataset.gateway ?? path.replace(/\/pforte[^/]*$/, ''),
    notice: dataset.notice ?? asked.get('notice'),
    language: dataset.language ?? asked.get('language'),
    consentMode: 'consentMode' in dataset,
    page: 'page' in dataset,
    entry: dataset.entry !== 'none',
    nonce,
    ...more,
  });
  waiting.forEach(window.pforte.push);
}
