// Changes the parts of the page that are sent anew, and keeps the reader's place. Without it the page
// reloads itself; nothing here decides anything, and nothing is asked of any other host.
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

  // key names an element among its neighbours, so that what it stands for is found again although
  // others came before it.
  const key = (n) => n.nodeType === 1 ? n.id || n.dataset.key || n.getAttribute("href") || "" : "";
  const alike = (a, b) => a.nodeName === b.nodeName && key(a) === key(b);

  // become changes a node into what was sent, and touches nothing that is the same. So the focus, the
  // place in the page, what was opened and where a screen reader is stay as they are.
  function become(was, is) {
    if (was.nodeType !== 1) {
      if (was.nodeValue !== is.nodeValue) was.nodeValue = is.nodeValue;
      return;
    }
    const readers = (name) => name === "open" && was.nodeName === "DETAILS"; // not ours to close
    for (const { name } of [...was.attributes]) if (!is.hasAttribute(name) && !readers(name)) was.removeAttribute(name);
    for (const { name, value } of is.attributes) if (was.getAttribute(name) !== value) was.setAttribute(name, value);
    const left = new Set(was.childNodes);
    const pairs = [...is.childNodes].map((next) => {
      for (const n of left) if (alike(n, next)) { left.delete(n); return [n, next]; }
      return [null, next];
    });
    for (const n of left) n.remove();
    let at = was.firstChild;
    for (const [same, next] of pairs) {
      if (!same) { was.insertBefore(next, at); continue; }
      if (same === at) at = at.nextSibling; else was.insertBefore(same, at);
      become(same, next);
    }
  }

  // inView is what has the focus, when it is on the screen. Where nothing has it, the browser itself
  // keeps the place of what is read.
  function inView() {
    const a = document.activeElement;
    if (!a || a === body || a.id === "main") return null;
    const r = a.getBoundingClientRect();
    return r.bottom > 0 && r.top < innerHeight ? a : null;
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
    const focused = el.contains(document.activeElement) ? document.activeElement : null;
    const eye = inView();
    const top = eye && eye.getBoundingClientRect().top;
    become(el, fresh);
    if (focused && document.activeElement !== focused) {
      // It was moved, or is gone with what it stood for: then the reader stays where that was.
      const to = focused.isConnected ? focused : el.hidden ? document.getElementById("main") : el;
      if (to === el) to.tabIndex = -1;
      to.focus({ preventScroll: true });
    }
    if (eye && eye.isConnected) scrollBy(0, eye.getBoundingClientRect().top - top); // news above must not push it away
    if (el.dataset.tab) document.title = el.dataset.tab;
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

  let src;
  function open() {
    src = new EventSource(body.dataset.stream);
    src.addEventListener("region", (e) => { const r = JSON.parse(e.data); place(r.id, r.html); });
    src.addEventListener("say", (e) => { said.textContent = JSON.parse(e.data).text; });
    src.addEventListener("beat", (e) => beat(JSON.parse(e.data)));
    src.addEventListener("error", () => {
      show("lost", "no connection, as of");
      if (src.readyState === EventSource.CLOSED) setTimeout(open, 5000); // the server refused: ask again later
    });
  }

  // Who leaves by a link and comes back is on that link again, as if nothing had been loaded anew.
  const links = (href) => [...document.querySelectorAll("a[href]")].filter((a) => a.getAttribute("href") === href);
  document.addEventListener("click", (e) => {
    const a = e.target.closest("a[href]");
    if (a) history.replaceState({ left: a.getAttribute("href"), nth: links(a.getAttribute("href")).indexOf(a) }, "");
  });
  const from = history.state;
  if (from && from.left) links(from.left)[from.nth]?.focus({ preventScroll: true });

  // Escape closes what was opened around the focus.
  document.addEventListener("keydown", (e) => {
    const opened = e.key === "Escape" && e.target.closest("details[open]");
    if (!opened) return;
    opened.open = false;
    opened.querySelector("summary").focus();
  });

  if (!body.dataset.stream) return; // what this page shows does not change
  offset = Date.parse(now.getAttribute("datetime")) - Date.now();
  setInterval(tick, 1000);
  open();
  addEventListener("pagehide", () => src.close());
  addEventListener("pageshow", (e) => { if (e.persisted) open(); }); // it sends everything that is new
})();
