// `<script src="…/pforte.js" data-key="…">`: the bytes are the same for everybody, so that a page may demand their digest. What else is
// needed is fetched.

import { run } from './tag.js';

run();
