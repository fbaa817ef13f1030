// What every page loads: it knows what the visitor has decided, keeps events until then, and shows the banner when one is needed.
//
// What is shown may have come with the script (`whole.js`), or is fetched. The token that an answer needs is always fetched: it is good
// for one decision, and the script may lie in a cache.
//
// Before a decision it stores nothing, sets no cookie and sends no event. What it remembers afterwards stands in a cookie that the
// gateway sets; the visitor's ID is in another one that no script can read.

/* global BANNER */

const VERSION = 1;
const COOKIE = /(?:^|; )pforte_choice=([^;]*)/;
const DAY_MS = 864e5;
/** Events that wait for a decision, at most. */
const WAITING_MAX = 500;
/** What browsers let a page send while it goes away is 64 kB in all. */
const BATCH_CHARS_MAX = 48_000;
const BATCH_PAUSE_MS = 800;
const RETRY_MS_MAX = 60_000;
/** All signals of Google's Consent Mode. */
const SIGNALS = ['ad_storage', 'ad_user_data', 'ad_personalization', 'analytics_storage', 'functionality_storage', 'personalization_storage', 'security_storage'];

/** An address as pages want it that demand trusted types; the only one that is loaded is the gateway's. */
function trusted(url) {
  try {
    return window.trustedTypes?.createPolicy('pforte', { createScriptURL: (text) => text }).createScriptURL(url) ?? url;
  } catch {
    return url;
  }
}

const today = () => Math.floor(Date.now() / DAY_MS);
const idle = (work) => (window.requestIdleCallback ?? ((f) => setTimeout(f, 200)))(work);
/** Once the next frame is on the screen. */
const painted = (work) => requestAnimationFrame(() => setTimeout(work));
const list = (text) => (text ? text.split('+') : []);

/** What the gateway's cookie says: `version:notice:its version:terms:day of decision:day of the last look:granted:signals:refused:terms then`. */
function remembered() {
  const raw = COOKIE.exec(document.cookie)?.[1];
  const [version, , , , , looked, granted, signals, , terms] = raw?.split(':') ?? [];
  return Number(version) === VERSION ? { raw, looked: Number(looked), granted: list(granted), signals: list(signals), terms } : null;
}

function randomId() {
  return crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Starts Pforte on this page. `draw`, `notices` and `terms`, the tag of those in force, are there if they came with the script. */
export function start({ key, gateway, notice, language, consentMode, page, entry = true, nonce, draw, notices = [], terms }) {
  const listeners = new Set();
  const gpc = navigator.globalPrivacyControl === true;
  const before = remembered();
  // What was granted may hold no more under other terms than those of the last look: the gateway says first what does.
  let choice = !terms || before?.terms === terms ? before : null;
  let queue = [];
  let timer = 0;
  let failures = 0;
  let sending = false;
  let user;
  let loading;
  let fetched;
  let drawn;
  let announce;
  const ready = new Promise((resolve) => (announce = resolve));

  // ---- Google Consent Mode ----

  function signal(kind, granted) {
    if (!consentMode) return;
    window.dataLayer ??= [];
    const said = Object.fromEntries(SIGNALS.map((name) => [name, granted.includes(name) ? 'granted' : 'denied']));
    // Tags read an `arguments` object, and nothing else.
    (function gtag() { window.dataLayer.push(arguments); })('consent', kind, said);
  }

  // ---- what is decided ----

  const state = () => ({ decided: Boolean(choice), granted: [...(choice?.granted ?? [])], gpc });

  function adopt(next) {
    const before = choice && JSON.stringify(choice.granted);
    choice = next;
    signal('update', choice.signals);
    if (!choice.granted.length) queue = [];
    else later();
    announce(state());
    if (before !== JSON.stringify(choice.granted)) listeners.forEach((listener) => listener(state()));
  }

  /** What the gateway says, and its cookie where this page can see it. */
  function learn(granted, { consentMode: said = {} }) {
    adopt({ looked: today(), granted, ...remembered(), signals: SIGNALS.filter((name) => said[name] === 'granted') });
  }

  const spoken = () => language || document.documentElement.lang.slice(0, 2) || navigator.language.slice(0, 2);

  /** The notice that came with the script: in the page's language, or in the company's, the first, if it is not written in the page's. */
  function brought() {
    const all = notices.filter((one) => !notice || one.notice === notice);
    return all.find((one) => one.language === spoken()) ?? all.find((one) => !one.languages.includes(spoken()));
  }

  /** The notice, with a token that is good for one decision. Who asks while it is on its way gets the same. */
  const load = () => (loading ??= look().finally(() => (loading = null)));

  async function look() {
    const asked = new URLSearchParams({ writeKey: key, language: spoken() });
    if (notice) asked.set('notice', notice);
    let answer = await fetch(`${gateway}/v1/notice?${asked}`, { credentials: 'include' });
    if (answer.status === 422) {
      // The notice is not written in the page's language: in the company's, then.
      asked.delete('language');
      answer = await fetch(`${gateway}/v1/notice?${asked}`, { credentials: 'include' });
    }
    if (!answer.ok) throw await refusal(answer);
    return (fetched = await answer.json());
  }

  async function refusal(answer) {
    const problem = await answer.json().catch(() => ({}));
    return Object.assign(new Error(problem.detail || problem.title || `HTTP ${answer.status}`), { code: problem.code, status: answer.status });
  }

  /** Hands a decision in, about the text of the hash `seen`. It holds when this resolves. */
  async function decide(decisions, seen, again = true) {
    const shown = fetched ?? (await load());
    fetched = null;
    const said = Object.fromEntries(Object.entries(decisions).map(([id, yes]) => [id, yes === true || yes === 'granted' ? 'granted' : 'denied']));
    if (seen && seen !== shown.hash && Object.values(said).includes('granted')) {
      // The text has changed since it was read, so it is read again. A no may always be said.
      fetched = shown;
      throw Object.assign(new Error('the notice has changed'), { anew: shown });
    }
    const body = { writeKey: key, device: 'cookie', method: 'banner', notice: shown.notice, noticeHash: shown.hash, language: shown.language, layout: shown.layout?.version, token: shown.token, preselected: [], decisions: said };
    // Up to here nothing has waited if there was a token: what was pressed is on its way, even if the page goes away now.
    const answer = await fetch(`${gateway}/v1/consents`, { method: 'POST', credentials: 'include', keepalive: true, body: JSON.stringify(body) });
    if (!answer.ok) {
      const problem = await refusal(answer);
      // The token was too old, or the text has changed: the same text may be answered the same way.
      if (again && /^token_|^notice_/.test(problem.code)) return decide(decisions, seen ?? shown.hash, false);
      throw problem;
    }
    const recorded = await answer.json();
    const granted = new Set(choice?.granted);
    for (const [id, { state }] of Object.entries(recorded.decisions)) granted[state === 'granted' ? 'add' : 'delete'](id);
    learn([...granted], recorded);
    return recorded;
  }

  const withdraw = async () => {
    const shown = await load();
    return decide(Object.fromEntries(shown.purposes.filter((purpose) => !purpose.required).map(({ id }) => [id, false])));
  };

  // ---- what is shown ----

  /** The banner's own script, fetched once if it did not come along. */
  const banner = () => (drawn ??= (draw ? Promise.resolve(draw) : new Promise((resolve, reject) => {
    const script = document.createElement('script');
    Object.assign(script, { src: trusted(gateway + BANNER.path), integrity: BANNER.integrity, crossOrigin: 'anonymous', fetchPriority: 'high', onerror: reject, pforte: resolve });
    if (nonce) script.nonce = nonce;
    document.head.append(script);
  })).then((draw) => draw({ state, load, decide, withdraw, entry, armed: () => Boolean(fetched) })));

  /** Asks the gateway whether the visitor must be asked, and shows what is not on the screen yet. */
  async function ask(open) {
    const [ui, shown] = await Promise.all([banner(), load()]);
    const { decisions = {} } = shown;
    const granted = Object.keys(decisions).filter((id) => decisions[id].state === 'granted');
    // A grant whose terms have become wider is none any more, whether or not the visitor answers.
    if (choice || granted.length || shown.ask === false) learn(granted, shown);
    if (shown.ask === false && !open) ui.rest();
    else if (open || !ui.knows(shown)) ui.show(shown, open);
  }

  /** Shows what came with the script at once, and fetches the token when it is on the screen. */
  async function meet() {
    const shown = brought();
    if (!shown) return ask();
    (await banner()).show(shown);
    painted(() => quietly(ask()));
  }

  const quietly = (promise) => promise.catch((error) => console.warn('pforte:', error.message ?? 'the banner could not be loaded'));

  // ---- events ----

  function happened(type, fields, { context, timestamp } = {}) {
    if (choice && !choice.granted.length) return;
    const { pathname: path, search, href: url } = location;
    queue.push({
      type, ...fields, userId: user,
      messageId: randomId(),
      timestamp: timestamp ?? new Date().toISOString(),
      context: { page: { path, search, url, title: document.title, referrer: document.referrer }, locale: navigator.language, userAgent: navigator.userAgent, library: { name: 'pforte.js', version: String(VERSION) }, ...context },
    });
    if (queue.length > WAITING_MAX) queue.shift();
    if (choice) later();
  }

  function later(pause = BATCH_PAUSE_MS) {
    if (!timer && queue.length) timer = setTimeout(() => { timer = 0; send(); }, pause);
  }

  /** As many events as fit into one request. */
  function batch() {
    let chars = 0;
    const fits = queue.findIndex((event) => (chars += JSON.stringify(event).length) > BATCH_CHARS_MAX);
    return queue.splice(0, fits < 0 ? queue.length : Math.max(fits, 1));
  }

  const body = (events) => JSON.stringify({ writeKey: key, sentAt: new Date().toISOString(), batch: events });

  async function send() {
    if (sending || !choice?.granted.length || !queue.length) return;
    sending = true;
    const events = batch();
    let pause = 0;
    try {
      const answer = await fetch(`${gateway}/v1/batch`, { method: 'POST', credentials: 'include', keepalive: true, body: body(events) });
      failures = 0;
      if (answer.status === 429 || answer.status > 499) pause = 1e3 * (answer.headers.get('retry-after') || 5);
    } catch {
      pause = Math.min(1e3 * 2 ** failures++, RETRY_MS_MAX);
    }
    sending = false;
    // The gateway knows what it has had before by its ID.
    if (pause && choice.granted.length) queue = [...events, ...queue].slice(-WAITING_MAX);
    later(pause || BATCH_PAUSE_MS);
  }

  function leave() {
    while (choice?.granted.length && queue.length) {
      const events = batch();
      if (!navigator.sendBeacon(`${gateway}/v1/batch`, body(events))) {
        queue = [...events, ...queue];
        return;
      }
    }
  }

  // ---- the page ----

  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') return leave();
    // Somebody may have changed their mind in another tab.
    const now = remembered();
    if (now && now.raw !== choice?.raw) {
      adopt(now);
      drawn?.then((ui) => ui.rest());
    }
  });
  addEventListener('pagehide', leave);
  document.addEventListener('click', ({ target }) => {
    if (target.closest?.('[data-pforte-open]')) quietly(ask(true));
    else if (target.closest?.('[data-pforte-withdraw]')) quietly(withdraw().then(() => banner()).then((ui) => ui.rest()));
  });

  const api = {
    consent: {
      get: state,
      allows: (purpose) => Boolean(choice?.granted.includes(purpose)),
      set: (decisions) => decide(decisions).then(() => { drawn?.then((ui) => ui.rest()); return state(); }),
      withdraw: () => withdraw().then(() => { drawn?.then((ui) => ui.rest()); return state(); }),
      open: () => ask(true),
      onChange(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    ready,
    track: (event, properties = {}, more) => happened('track', { event, properties }, more),
    page(name, properties = {}, more) {
      const { pathname: path, search, href: url } = location;
      happened('page', { name, properties: { path, search, url, title: document.title, referrer: document.referrer, ...properties } }, more);
    },
    identify(userId, traits = {}, more) {
      user = userId ?? undefined;
      if (!user) return;
      happened('identify', { traits }, more);
    },
    push: ([name, ...rest]) => api[name]?.(...rest),
  };

  signal('default', []);
  if (page) api.page();
  if (choice) {
    adopt(choice);
    if (entry) idle(() => quietly(banner().then((ui) => ui.rest())));
    // Whether something has changed that must be asked again is looked up once a day.
    if (choice.looked < today()) idle(() => quietly(ask()));
  } else {
    quietly(before ? ask() : meet());
  }
  return api;
}
