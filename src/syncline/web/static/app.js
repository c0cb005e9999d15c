// Live updates: the server sends the parts of this page that look different now. Without this file
// everything can still be read and done; pages are then as fresh as their last load.
"use strict";

(() => {
  const { page, of } = document.body.dataset;
  const light = document.querySelector("[data-live]");
  if (!light || page === "login" || !window.EventSource) return;

  const say = (word, quiet) => {
    light.hidden = false;
    light.classList.toggle("lost", !quiet);
    light.lastElementChild.textContent = word;
  };

  const show = (event) => {
    say("live", true);
    for (const [name, html] of Object.entries(JSON.parse(event.data))) {
      const part = document.querySelector(`[data-part="${CSS.escape(name)}"]`);
      // What somebody is using stays under their fingers; the next update catches up.
      if (!part || (part.contains(document.activeElement) && part !== document.activeElement)) continue;
      // What somebody has opened or closed stays so.
      const were = new Map([...part.querySelectorAll("details[id]")].map((each) => [each.id, each.open]));
      part.innerHTML = html;
      for (const each of part.querySelectorAll("details[id]")) each.open = were.get(each.id) ?? each.open;
    }
  };

  let source = null;
  const open = () => {
    if (source || document.hidden) return;
    source = new EventSource(`/events?page=${encodeURIComponent(page)}${of ? `&${of}` : ""}`);
    source.addEventListener("parts", show);
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

  // A hidden tab costs the server nothing.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  open();
})();
