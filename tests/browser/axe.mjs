// What axe-core finds on a page. It is put in by the browser itself, so no page has to let scripts of others in.

import axe from 'axe-core';

/** The violations on a page, one line each: rule, what is wrong, where. */
export async function violations(page) {
  await page.evaluate(axe.source);
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`);
  });
  return found;
}
