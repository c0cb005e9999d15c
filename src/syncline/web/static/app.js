// Live updates: the server sends the parts of this page that look different now. Without this file
// everything can still be read and done; pages are then as fresh as their last load.
"use strict";

(() => {
  const LEFT_MS = 30000;
  const SILENT_MS = 20000; // the server says something every 15 s at least
  const { page, of, now } = document.body.dataset;
  const light = document.querySelector("[data-live]");
  const lost = document.querySelector("[data-lost]");
  const cards = [...document.querySelectorAll("[data-route]")];
  if (!light || page === "login" || !window.EventSource) return;

  // Where no part is sent anew, ages go on by themselves, by the server's clock.
  const ahead = Number(now) - Date.now();
  const units = Object.entries({ d: 86400, h: 3600, min: 60, s: 1 });
  const words = (s) => {
    if (s < 1) return "0 s";
    const first = units.findIndex(([, size]) => s >= size);
    const [[unit, size], next] = [units[first], units[first + 1]];
    const rest = next ? Math.floor((s % size) / next[1]) : 0;
    return `${Math.floor(s / size)} ${unit}` + (rest ? ` ${rest} ${next[0]}` : "");
  };
  const told = (s, isDeadline) => {
    if (s < 0 || (isDeadline && s === 0)) return `in ${words(-s)}`;
    if (isDeadline) return `${words(s)} overdue`;
    return s === 0 ? "just now" : `${words(s)} ago`;
  };
  const age = () => {
    for (const each of document.querySelectorAll("main time[data-as]")) {
      const s = Math.floor((Date.now() + ahead - Date.parse(each.dateTime)) / 1000);
      if (Number.isNaN(s) || each.closest("[data-part]")) continue;
      const said = told(s, each.dataset.as === "until");
      if (each.textContent !== said) each.textContent = said;
    }
  };
  setInterval(() => document.hidden || age(), 1000);

  const isLive = document.querySelector("main [data-part]") !== null;
  const say = (word, quiet) => {
    light.hidden = quiet && !isLive;
    light.classList.toggle("lost", !quiet);
    light.lastElementChild.textContent = word;
  };

  // What somebody is using, or marks to copy it, stays under their fingers and is caught up with afterwards. A form
  // waits for as long as it takes; anything else was left when nothing is touched for a while.
  const late = new Map();
  let touched = performance.now();
  for (const kind of ["keydown", "pointerdown"]) {
    document.addEventListener(kind, () => (touched = performance.now()), true);
  }
  const isUsed = (part) => {
    const used = document.activeElement;
    const holds = (node) => part.contains(node) && part !== node;
    if (holds(used) && used.closest("form, .ask[open]")) return true;
    const marked = getSelection();
    const isHeld = holds(used) || (!marked.isCollapsed && part.contains(marked.anchorNode));
    return isHeld && performance.now() - touched < LEFT_MS;
  };
  // How to find again what had the focus.
  const nameOf = (each) => each.id || each.getAttribute("href") || each.parentElement.id;
  const put = (name, html) => {
    const part = document.querySelector(`[data-part="${CSS.escape(name)}"]`);
    if (!part) return;
    if (isUsed(part)) return void late.set(name, html);
    late.delete(name);
    // What somebody has opened or closed stays so.
    const were = new Map([...part.querySelectorAll("details[id]")].map((each) => [each.id, each.open]));
    const focused = part.contains(document.activeElement) && part !== document.activeElement && document.activeElement;
    part.innerHTML = html;
    if (focused) {
      const again = [...part.querySelectorAll(focused.tagName)].find((each) => nameOf(each) === nameOf(focused));
      if (again) again.focus({ preventScroll: true });
    }
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
