// The demo shop: a basket in memory, events as a customer's website would send them, and what the gate says about each.

const german = document.documentElement.lang === 'de';
const TEXTS = german
  ? {
      undecided: 'Sie haben noch nicht entschieden. Ereignisse warten im Speicher dieser Seite; nichts wird gesendet.',
      refused: 'Sie haben alles abgelehnt. Diese Seite sendet nichts, und die Pforte ließe nichts durch.',
      granted: 'Erlaubt: ',
      waits: 'wartet auf Ihre Entscheidung',
      leaves: 'Was dort ankommt',
      unknown: 'Die Pforte antwortet gerade nicht.',
      thanks: 'Danke! Nichts wurde verkauft.',
      remove: 'entfernen',
    }
  : {
      undecided: 'You have not decided yet. Events wait in the memory of this page; nothing is sent.',
      refused: 'You have refused everything. This page sends nothing, and the gate would let nothing through.',
      granted: 'Allowed: ',
      waits: 'waits for your decision',
      leaves: 'What arrives there',
      unknown: 'The gate does not answer right now.',
      thanks: 'Thank you! Nothing was sold.',
      remove: 'remove',
    };

const by = (id) => document.getElementById(id);
/** What the purposes are called. */
const titles = Object.fromEntries([...by('titles').children].map(({ dataset, textContent }) => [dataset.id, textContent]));
const euros = (cents) => new Intl.NumberFormat(german ? 'de-DE' : 'en-IE', { style: 'currency', currency: 'EUR' }).format(cents / 100);

function make(tag, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
}

// ---- the live view ----

const seen = [];

function happened(type, name, properties) {
  const entry = { event: { type, [type === 'track' ? 'event' : 'name']: name, properties }, line: make('li', {}, make('b', {}, name)) };
  seen.unshift(entry);
  by('events').prepend(entry.line);
  while (seen.length > 30) seen.pop().line.remove();
  explain(entry);
}

async function explain(entry) {
  if (!pforte.consent.get().decided) return tell(entry, [outcome('wait', '…', TEXTS.waits)]);
  if (entry.told) return;
  entry.told = true;
  const event = { ...entry.event, context: { locale: document.documentElement.lang } };
  const answer = await fetch('/demo/explain', { method: 'POST', body: JSON.stringify(event) }).catch(() => null);
  if (!answer?.ok) return tell(entry, [outcome('wait', '?', TEXTS.unknown)]);
  const { destinations } = await answer.json();
  tell(entry, destinations.map((one) => outcome(one.outcome, one.outcome === 'forward' ? '→' : '×', one.sentence, one.event)));
}

function outcome(kind, sign, text, event) {
  const line = make('div', { className: `to ${kind}` }, make('i', { ariaHidden: 'true' }, sign), make('span', {}, text));
  if (event) line.append(make('details', {}, make('summary', {}, TEXTS.leaves), make('pre', {}, JSON.stringify(event, null, 1))));
  return line;
}

const tell = (entry, lines) => entry.line.replaceChildren(entry.line.firstChild, ...lines);

function show() {
  const { decided, granted } = pforte.consent.get();
  by('state').textContent = !decided ? TEXTS.undecided : granted.length ? TEXTS.granted + granted.map((id) => titles[id] ?? id).join(', ') : TEXTS.refused;
  seen.forEach(explain);
}

// ---- the shop ----

const basket = new Map();

function track(name, properties) {
  pforte.track(name, properties);
  happened('track', name, properties);
}

function draw() {
  const lines = [...basket.values()];
  const count = lines.reduce((all, { n }) => all + n, 0);
  by('count').textContent = count;
  by('empty').hidden = count > 0;
  by('order').hidden = by('total').parentElement.hidden = count === 0;
  by('total').textContent = euros(lines.reduce((all, { n, cents }) => all + n * cents, 0));
  by('lines').replaceChildren(...lines.map(({ id, name, n, cents }) => {
    const remove = make('button', { type: 'button', className: 'link', ariaLabel: `${TEXTS.remove}: ${name}`, onclick: () => { basket.delete(id); draw(); } }, TEXTS.remove);
    return make('li', {}, make('span', {}, `${n} × ${name} `, remove), make('span', {}, euros(n * cents)));
  }));
}

document.querySelectorAll('.shelf li').forEach((shelf) => {
  const { id, name, cents } = shelf.dataset;
  shelf.querySelector('button').onclick = () => {
    by('thanks').textContent = '';
    basket.set(id, { id, name, cents: Number(cents), n: (basket.get(id)?.n ?? 0) + 1 });
    track('Product Added', { product_id: id, name, price: cents / 100, currency: 'EUR' });
    draw();
  };
});

by('order').onclick = () => {
  const products = [...basket.values()].map(({ id, name, n, cents }) => ({ product_id: id, name, quantity: n, price: cents / 100 }));
  const total = products.reduce((all, { quantity, price }) => all + quantity * price, 0);
  track('Order Completed', { order_id: `demo-${Date.now()}`, total: Math.round(total * 100) / 100, currency: 'EUR', products });
  basket.clear();
  draw();
  by('thanks').textContent = TEXTS.thanks;
};

pforte.consent.onChange(show);
pforte.ready.then(show);
show();
pforte.page('Demo Shop');
happened('page', 'Demo Shop', {});
