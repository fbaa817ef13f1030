// Makes pages smoother, and is needed by none of them: a form with `data-swap` is sent without leaving the page, and the new page's main
// part takes the place of the old one.

const sent = new WeakSet();

document.addEventListener('submit', async (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.hasAttribute('data-swap') || sent.has(form)) return;
  event.preventDefault();
  sent.add(form);
  const button = event.submitter;
  const fields = new FormData(form);
  if (button?.name) fields.append(button.name, button.value);
  button?.setAttribute('aria-busy', 'true');
  try {
    const answer = await fetch(form.action, { method: 'POST', body: new URLSearchParams(fields), credentials: 'same-origin' });
    const main = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('main');
    // A refusal, or somebody who is not signed in any more: the browser shows it as it always does.
    if (!main || new URL(answer.url).pathname !== location.pathname) throw new Error('another page');
    const known = button?.id;
    document.querySelector('main').replaceWith(main);
    // Where the finger was it stays, and a screen reader is told what has changed.
    ((known && document.getElementById(known)) || main).focus({ preventScroll: true });
    const status = main.querySelector('[role=status]');
    if (status) {
      const words = [...status.childNodes];
      status.replaceChildren();
      requestAnimationFrame(() => status.replaceChildren(...words));
    }
  } catch {
    location.reload();
  }
});
