// `<script src="…/pforte.js" data-key="…">`: everything is said in the tag, and `window.pforte` is there when it has run.

import { start } from './loader.js';

const { src, dataset, nonce } = document.currentScript;
const waiting = Array.isArray(window.pforte) ? window.pforte : [];
window.pforte = start({
  key: dataset.key,
  gateway: dataset.gateway ?? src.replace(/\/pforte[^/]*$/, ''),
  notice: dataset.notice,
  language: dataset.language,
  consentMode: 'consentMode' in dataset,
  page: 'page' in dataset,
  entry: dataset.entry !== 'none',
  nonce,
});
waiting.forEach(window.pforte.push);
