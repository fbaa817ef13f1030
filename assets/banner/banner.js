// The banner, the choices and the small entry that stays. It lives in a shadow root with a style sheet of its own, so that neither
// the page's style nor a strict content security policy is in its way.
//
// All ways to decide look the same and are as many clicks away. Nothing is ticked that the visitor has not ticked. It is a dialog
// that does not lock the page, and stands first in the document: whoever reads by keyboard or ear meets it first, and nobody's
// focus is taken unless they have opened it themselves.

import style from './banner.css';
import { TEXTS } from './texts.js';

/** An element with attributes and children; text is text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'onclick') element.onclick = value;
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

export function draw({ state, load, decide, withdraw, entry, armed }) {
  const host = make('pforte-banner', { 'data-pforte-root': true });
  const root = host.attachShadow({ mode: 'open' });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  root.adoptedStyleSheets = [sheet];
  const spoken = make('p', { class: 'status', role: 'status', 'data-pforte-status': true });
  let dialog;
  let corner;
  let before;
  let hash;
  let texts = TEXTS[document.documentElement.lang.slice(0, 2)] ?? TEXTS.en;

  /** First in the document, as soon as there is a body. */
  function place() {
    if (document.body) document.body.prepend(host);
    else new MutationObserver((_, observer) => { if (document.body) { observer.disconnect(); place(); } }).observe(document.documentElement, { childList: true });
  }

  function say(text) {
    // An element of its own each time: one that grew would be a shift of the layout.
    spoken.replaceChildren(make('span', {}, text));
    clearTimeout(say.timer);
    say.timer = setTimeout(() => spoken.replaceChildren(), 6e3);
  }

  const button = (hook, label, onclick, more) => make('button', { type: 'button', [`data-pforte-${hook}`]: true, onclick, ...more }, label);

  function close() {
    dialog?.remove();
    dialog = null;
  }

  /** The banner goes; what stays is the way back. */
  function rest(focus) {
    close();
    corner?.remove();
    corner = null;
    if (entry) {
      const granted = state().granted.length > 0;
      corner = make('div', { class: 'entry', role: 'region', 'aria-label': texts.settings, 'data-pforte-entry': true },
        button('open', texts.settings, () => open()),
        granted && button('withdraw', texts.withdraw, () => act(corner, withdraw, texts.withdrawn)));
      root.append(corner);
    }
    if (focus) (corner?.firstChild ?? before)?.focus?.();
  }

  /**
   * Does what a button says, once. The banner goes from the screen in the next frame if the answer is on its way by then; a failure
   * brings it back as it was.
   */
  async function act(where, work, done) {
    if (where.getAttribute('aria-busy')) return;
    where.setAttribute('aria-busy', 'true');
    const held = where.contains(root.activeElement);
    where.hidden = where === dialog && armed();
    try {
      await work();
      rest(held);
      say(done);
    } catch (error) {
      console.warn('pforte:', error.message);
      where.hidden = false;
      if (held) where.focus();
      if (error.anew && dialog) show(error.anew, true);
      say(error.anew ? texts.changed : texts.failed);
    }
    where.removeAttribute('aria-busy');
  }

  async function open() {
    try {
      show(await load(), true);
    } catch {
      say(texts.failed);
    }
  }

  /** Draws the notice: its first layer, or the choices if the visitor came to change something. */
  function show(notice, opened) {
    texts = TEXTS[notice.language] ?? TEXTS.en;
    hash = notice.hash;
    before = opened ? document.activeElement : null;
    corner?.remove();
    corner = null;
    layer(notice, opened ? 'choose' : 'first', opened);
  }

  function layer(notice, name, focus) {
    const asked = notice.purposes.filter((purpose) => !purpose.required);
    // What the browser refuses by a signal of its own is refused, whatever is pressed.
    const refused = notice.signal?.refuses ?? [];
    const all = (yes) => Object.fromEntries(asked.map(({ id }) => [id, yes && !refused.includes(id)]));
    const ticked = () => ({ ...all(false), ...Object.fromEntries([...dialog.querySelectorAll('input')].map((box) => [box.value, box.checked])) });
    const does = {
      accept_all: button('accept', texts.accept_all, () => act(dialog, () => decide(all(true), notice.hash), texts.saved)),
      refuse_all: button('refuse', texts.refuse_all, () => act(dialog, () => decide(all(false), notice.hash), texts.refused)),
      choose: button('choose', texts.choose, () => layer(notice, 'choose', true)),
      save: button('save', texts.save, () => act(dialog, () => decide(ticked(), notice.hash), texts.saved)),
    };
    const first = notice.layout?.buttons ?? ['refuse_all', 'accept_all', 'choose'];
    const buttons = name === 'first' ? first : ['refuse_all', 'accept_all', 'save'];
    const decided = state().decided;
    close();
    dialog = make('section', {
      class: 'dialog', role: 'dialog', tabindex: -1, lang: notice.language,
      'aria-modal': 'false', 'aria-labelledby': 'title', 'aria-describedby': 'text',
      'data-pforte-dialog': true, 'data-pforte-layer': name,
    },
    make('div', { class: 'head' },
      make('h2', { id: 'title' }, notice.title),
      button('close', make('span', { 'aria-hidden': 'true' }, '×'), () => away(notice, name), { 'aria-label': decided ? texts.close : texts.close_hint })),
    make('p', { id: 'text' }, notice.text),
    refused.length > 0 && make('p', { class: 'gpc', 'data-pforte-gpc': true }, texts.gpc),
    name === 'choose' && make('ul', {}, notice.purposes.map((one) => purpose(one, notice.decisions, refused.includes(one.id)))),
    name === 'choose' && facts(notice),
    notice.privacyUrl && make('p', { class: 'links' }, make('a', { href: notice.privacyUrl }, texts.privacy)),
    make('div', { class: 'buttons' }, buttons.map((which) => does[which])));
    dialog.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') away(notice, name);
    });
    root.prepend(dialog);
    if (focus) dialog.focus();
  }

  /** One step back; from the first layer, away without a decision. It is asked again on the next page. */
  function away(notice, name) {
    if (name === 'choose' && !state().decided) layer(notice, 'first', true);
    else rest(true);
  }

  function purpose({ id, title, text, legalBasis, required }, decisions, refused) {
    const fixed = required ? texts.always : refused && texts.by_signal;
    const box = make('input', { type: 'checkbox', role: 'switch', value: id, id: `p-${id}`, 'aria-describedby': `d-${id}`, 'data-pforte-purpose': id });
    // What the visitor has switched on themselves, and nothing else.
    box.checked = decisions ? decisions[id]?.state === 'granted' : state().granted.includes(id);
    return make('li', {},
      make('div', { class: 'row' },
        fixed ? make('strong', {}, title) : make('label', { for: `p-${id}` }, title),
        fixed ? make('span', { class: 'fixed' }, fixed) : box),
      make('p', { id: `d-${id}` }, text),
      make('details', {}, make('summary', { 'aria-label': `${texts.more}: ${title}` }, texts.more), make('p', {}, `${texts.basis}: ${texts.bases[legalBasis] ?? legalBasis}`)));
  }

  function facts({ controller }) {
    if (!controller) return null;
    return make('p', { class: 'facts' }, `${texts.controller}: ${controller.name}, ${controller.address}. ${texts.contact}: ${controller.contact}`);
  }

  /** Whether this text was on the screen already, or what is on it is being answered right now. */
  const knows = (notice) => notice.hash === hash || Boolean(dialog?.hasAttribute('aria-busy'));

  root.append(spoken);
  place();
  return { show, rest, knows };
}
