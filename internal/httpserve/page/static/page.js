// Replaces the parts of the page that changed, as they are sent. Without it the page reloads
// itself; nothing here decides anything, and nothing is asked of any other host.
"use strict";
(() => {
  const body = document.body;
  const link = document.getElementById("link");
  const linkText = document.getElementById("link-text");
  const now = document.getElementById("now");
  const said = document.getElementById("said");
  const patience = 25; // seconds of silence (two beats and a bit) after which the page says that it is old
  let offset = 0; // milliseconds that the host's clock is ahead of ours: ages are by the host's clock
  let last = Date.now();
  const held = new Map(); // parts that wait until the reader has let go of them

  // The page is in the host's zone. Its offset is in the first time that was written by the host.
  const shift = (() => {
    const [h, m, s] = now.textContent.split(":").map(Number);
    const d = new Date(now.getAttribute("datetime"));
    const diff = (h * 3600 + m * 60 + s) - (d.getUTCHours() * 3600 + d.getUTCMinutes() * 60 + d.getUTCSeconds());
    return ((diff + 129600) % 86400 - 43200) * 1000;
  })();
  const clock = (t) => new Date(t + shift).toISOString().slice(11, 19);

  function age(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    if (s < 60) return s + " s";
    if (s < 3600) return Math.floor(s / 60) + " min";
    if (s < 172800) return Math.floor(s / 3600) + " h " + Math.floor(s % 3600 / 60) + " min";
    return Math.floor(s / 86400) + " days";
  }

  function tick() {
    const t = Date.now() + offset;
    for (const el of document.querySelectorAll("time.age")) {
      const text = age((t - Date.parse(el.getAttribute("datetime"))) / 1000);
      if (el.textContent !== text) el.textContent = text;
    }
    if (Date.now() - last > patience * 1000) show("lost", "no connection, as of");
    for (const [id, html] of held) place(id, html);
  }

  function show(state, text) {
    if (link.dataset.state !== state) {
      link.dataset.state = state;
      if (state === "lost") said.textContent = "The connection to recoveryd is lost. What is shown is old.";
    }
    if (linkText.textContent !== text) linkText.textContent = text;
  }

  // reading reports that a part is being read or used in a way that replacing it would break.
  function reading(el) {
    const sel = document.getSelection();
    return sel && !sel.isCollapsed && el.contains(sel.anchorNode);
  }

  function place(id, html) {
    const el = document.getElementById(id);
    if (!el) return;
    if (reading(el)) { held.set(id, html); return; }
    held.delete(id);
    const box = document.createElement("template");
    box.innerHTML = html;
    const fresh = box.content.firstElementChild;
    if (!fresh || fresh.id !== id) return;
    // Keep the focus where it was: on the link with the same address.
    const focused = el.contains(document.activeElement) ? document.activeElement : null;
    const href = focused && focused.getAttribute("href");
    for (const d of el.querySelectorAll("details[open]")) {
      const same = fresh.querySelector(`details[data-key="${d.dataset.key}"]`);
      if (same) same.open = true;
    }
    const scrolled = el.querySelector(".scroll");
    const left = scrolled ? scrolled.scrollLeft : 0;
    el.replaceWith(fresh);
    if (left) fresh.querySelector(".scroll").scrollLeft = left;
    if (focused) {
      const same = [...fresh.querySelectorAll("a[href], [tabindex]")].find((x) => href ? x.getAttribute("href") === href : x.className === focused.className);
      if (same) same.focus({ preventScroll: true });
    }
    if (fresh.dataset.tab) document.title = fresh.dataset.tab;
  }

  function beat(b) {
    last = Date.now();
    const t = new Date(b.now);
    offset = t.getTime() - last;
    if (b.layout !== body.dataset.layout) { // other targets or another version: begin anew
      location.reload();
      return;
    }
    now.setAttribute("datetime", b.now);
    now.textContent = clock(t.getTime());
    show("live", "live");
    tick();
  }

  function open() {
    const src = new EventSource(body.dataset.stream);
    src.addEventListener("region", (e) => { const r = JSON.parse(e.data); place(r.id, r.html); });
    src.addEventListener("say", (e) => { said.textContent = JSON.parse(e.data).text; });
    src.addEventListener("beat", (e) => beat(JSON.parse(e.data)));
    src.addEventListener("error", () => {
      show("lost", "no connection, as of");
      if (src.readyState === EventSource.CLOSED) setTimeout(open, 5000); // the server refused: ask again later
    });
    addEventListener("pagehide", () => src.close());
    addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
  }

  offset = Date.parse(now.getAttribute("datetime")) - Date.now();
  setInterval(tick, 1000);
  open();
})();
