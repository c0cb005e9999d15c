// Live updates: the server sends the parts of this page that look different now. Without this file
// everything can still be read and done; pages are then as fresh as their last load.
"use strict";

(() => {
  const SILENT_MS = 20000; // the server says something every 15 s at least
  const { page, of } = document.body.dataset;
  const light = document.querySelector("[data-live]");
  const lost = document.querySelector("[data-lost]");
  const cards = [...document.querySelectorAll("[data-route]")];
  if (!light || page === "login" || !window.EventSource) return;

  const say = (word, quiet) => {
    light.hidden = false;
    light.classList.toggle("lost", !quiet);
    light.lastElementChild.textContent = word;
  };

  // What somebody is using, or marks to copy it, stays under their fingers; it is caught up with afterwards.
  const late = new Map();
  const isUsed = (part) => {
    const marked = getSelection();
    const within = (node) => part.contains(node) && part !== node;
    return within(document.activeElement) || (!marked.isCollapsed && part.contains(marked.anchorNode));
  };
  const put = (name, html) => {
    const part = document.querySelector(`[data-part="${CSS.escape(name)}"]`);
    if (!part) return;
    if (isUsed(part)) return void late.set(name, html);
    late.delete(name);
    // What somebody has opened or closed stays so.
    const were = new Map([...part.querySelectorAll("details[id]")].map((each) => [each.id, each.open]));
    part.innerHTML = html;
    for (const each of part.querySelectorAll("details[id]")) each.open = were.get(each.id) ?? each.open;
  };
  const catchUp = () => late.forEach((html, name) => put(name, html));
  document.addEventListener("focusout", () => setTimeout(catchUp));

  let source = null;
  let asked = "";
  let heard = performance.now();
  const hear = () => {
    heard = performance.now();
    lost.hidden = true;
    say("live", true);
    catchUp();
  };
  const address = () => {
    const open = cards.filter((card) => card.open).map((card) => card.dataset.route);
    return `/events?page=${encodeURIComponent(page)}${of ? `&${of}` : ""}${cards.length ? `&open=${open}` : ""}`;
  };
  const open = () => {
    if (source || document.hidden) return;
    asked = address();
    source = new EventSource(asked);
    source.addEventListener("here", hear);
    source.addEventListener("parts", (event) => {
      for (const [name, html] of Object.entries(JSON.parse(event.data))) put(name, html);
      hear();
    });
    source.onerror = () => {
      say("reconnecting", false);
      if (source && source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(open, 5000);
      }
    };
  };
  const close = () => {
    if (source) source.close();
    source = null;
  };

  // A line that is cut without a word looks like calm: silence is noticed, told and tried again.
  let tried = heard;
  setInterval(() => {
    const now = performance.now();
    if (document.hidden || now - heard < SILENT_MS) return;
    const s = Math.floor((now - heard) / 1000);
    lost.querySelector("span").textContent = s < 120 ? `${s} s` : `${Math.floor(s / 60)} min`;
    lost.hidden = false;
    say("reconnecting", false);
    if (now - Math.max(heard, tried) < 2 * SILENT_MS) return;
    tried = now;
    close();
    open();
  }, 1000);

  // Only what is open is asked for.
  let soon = 0;
  document.addEventListener(
    "toggle",
    (event) => {
      if (!cards.includes(event.target)) return;
      clearTimeout(soon);
      soon = setTimeout(() => {
        if (!source || asked === address()) return;
        close();
        open();
      }, 200);
    },
    true,
  );
  const reveal = () => {
    const card = cards.find((each) => `#${each.id}` === location.hash);
    if (card) card.open = true;
  };
  window.addEventListener("hashchange", reveal);
  reveal();

  // A hidden tab costs the server nothing.
  const show = () => {
    heard = performance.now();
    open();
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : show()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => event.persisted && show());
  open();
})();
