// Makes what the gateway serves from the sources in this folder: `node assets/banner/build.mjs`. With `--check` it writes nothing and
// fails if `dist` is not what the sources come to. esbuild is the one of tests/browser; `cargo run` needs none of this.

import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const { build, transform } = createRequire(join(HERE, '../../tests/browser/package.json'))('esbuild');

async function bundle(entry, format, define = {}) {
  const made = await build({
    entryPoints: [join(HERE, entry)], bundle: true, format, define, minify: true, write: false, target: 'es2022', charset: 'utf8',
    plugins: [{
      name: 'style',
      setup: ({ onLoad }) => onLoad({ filter: /\.css$/ }, async ({ path }) => ({
        contents: (await transform(await readFile(path, 'utf8'), { loader: 'css', minify: true })).code.trim(),
        loader: 'text',
      })),
    }],
  });
  return made.outputFiles[0].text;
}

const banner = await bundle('lazy.js', 'iife');
const digest = (kind, form) => createHash(kind).update(banner).digest(form);
const named = { path: `/pforte-banner-${digest('sha256', 'hex').slice(0, 16)}.js`, integrity: `sha384-${digest('sha384', 'base64')}` };
const define = { BANNER: JSON.stringify(named) };
const files = {
  'banner.js': banner,
  'pforte.js': await bundle('classic.js', 'iife', define),
  'pforte.mjs': await bundle('module.js', 'esm', define),
  'whole.js': await bundle('whole.js', 'iife', define),
};

const stale = [];
for (const [name, text] of Object.entries(files)) {
  const path = join(HERE, 'dist', name);
  if (process.argv.includes('--check')) {
    if ((await readFile(path, 'utf8').catch(() => '')) !== text) stale.push(name);
  } else {
    await writeFile(path, text);
  }
}
if (stale.length) {
  console.error(`assets/banner/dist is stale (${stale.join(', ')}): run node assets/banner/build.mjs`);
  process.exit(1);
}
