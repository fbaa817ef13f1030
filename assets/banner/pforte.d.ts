/** What the visitor has decided, as far as this page knows. */
export interface ConsentState {
  /** Whether the visitor has decided at all. */
  decided: boolean;
  /** The purposes that are granted, by their IDs in the policy. */
  granted: string[];
  /** Whether the browser sends Global Privacy Control. */
  gpc: boolean;
}

export interface Consent {
  /** What holds now. It asks nobody. */
  get(): ConsentState;
  /** Whether a purpose is granted, for what would be done now: not if its terms have become wider since. */
  allows(purpose: string): boolean;
  /** Hands in a decision of the visitor's, taken on a page of the site's own. It holds when this resolves. */
  set(decisions: Record<string, boolean | 'granted' | 'denied'>): Promise<ConsentState>;
  /** Withdraws everything. */
  withdraw(): Promise<ConsentState>;
  /** Opens the choices. */
  open(): Promise<void>;
  /** Calls back whenever what is granted has changed. Returns how to stop that. */
  onChange(listener: (state: ConsentState) => void): () => void;
}

export interface EventOptions {
  /** Merged into what the page says about itself. */
  context?: Record<string, unknown>;
  /** When it happened, as RFC 3339; by default now. */
  timestamp?: string;
}

export interface Pforte {
  consent: Consent;
  /** Resolves when it is known what the visitor has decided: at once, or when they have. */
  ready: Promise<ConsentState>;
  /** Somebody did something. Kept in memory until the visitor has decided, and sent only if something is granted. */
  track(event: string, properties?: Record<string, unknown>, options?: EventOptions): void;
  /** A page was seen. */
  page(name?: string, properties?: Record<string, unknown>, options?: EventOptions): void;
  /** Who is signed in. It is not remembered: say it on every page. */
  identify(userId: string | null, traits?: Record<string, unknown>, options?: EventOptions): void;
  /** For calls before the script has loaded: `(window.pforte ??= []).push(['track', 'Product Viewed'])`. */
  push(call: ['track' | 'page' | 'identify', ...unknown[]]): void;
}

export interface Options {
  /** The public write key of the source. */
  key: string;
  /** Where the gateway is; by default where the module was loaded from. */
  gateway?: string;
  /** The notice to show; by default the source's. */
  notice?: string;
  /** The language; by default that of the page. */
  language?: string;
  /** Whether Google's Consent Mode is told. */
  consentMode?: boolean;
  /** Whether a page view is sent. */
  page?: boolean;
  /** Whether a small entry stays, to change or withdraw. Without it the site needs a link with `data-pforte-open`. */
  entry?: boolean;
  /** The nonce of the page's content security policy. */
  nonce?: string;
}

/** Starts Pforte on this page. */
export function start(options: Options): Pforte;

declare global {
  interface Window {
    pforte: Pforte;
  }
}
