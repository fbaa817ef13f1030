// `import { start } from '…/pforte.mjs'`: the same for bundlers and module pages. The gateway is where the module came from.

import { start as begin } from './loader.js';

export const start = (options) => (window.pforte = begin({ gateway: import.meta.url.replace(/\/pforte[^/]*$/, ''), ...options }));
