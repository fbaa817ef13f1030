// The banner as a script of its own, for pages that load the pinned one: the loader puts the tag into the page and waits for this call.

import { draw } from './banner.js';

document.currentScript.pforte(draw);
