// `<script src="…/pforte.js?writeKey=…">`: everything in one answer. The gateway has put a line before this code that leaves on the tag
// which terms are in force, and the notices: in the company's language, and in the visitor's if that is another one; none if the visitor
// has decided before.

import { draw } from './banner.js';
import { run } from './tag.js';

run({ draw, ...document.currentScript.pforte });
