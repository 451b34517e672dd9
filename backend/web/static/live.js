// Keeps a page true: one stream of events says which table changed, and every part of the page that
// shows it asks the server again. Nothing is computed from events: they carry names only.
(() => {
  "use strict";
  const GAP_MS = 400; // Least time between two refreshes of one part.
  const SLOW_MS = 4000; // Without events for this long after a loss, say so.
  const NOTE_MS = 8000; // Time to read a sentence twice.
  const body = document.body;
  const meta = document.querySelector('meta[name="pw-now"]');
  const skewMs = meta ? Date.parse(meta.content) - Date.now() : 0;
  const parts = new Map(); // element -> {busy, again, last, timer}

  const stateOf = (part) => {
    if (!parts.has(part)) parts.set(part, { busy: false, again: false, last: 0, timer: 0 });
    return parts.get(part);
  };

  const refresh = (part) => {
    const state = stateOf(part);
    if (state.timer) return;
    if (state.busy) { state.again = true; return; }
    const wait = Math.max(0, state.last + GAP_MS - performance.now());
    state.timer = setTimeout(() => {
      state.timer = 0;
      state.last = performance.now();
      part.dispatchEvent(new CustomEvent("pw-refresh"));
    }, wait);
  };

  const live = () => document.querySelectorAll("[data-live-on], [data-live-every]");
  const refreshAll = () => live().forEach(refresh);
  const changed = (table) => live().forEach((part) => {
    if ((part.dataset.liveOn || "").split(",").includes(table)) refresh(part);
  });

  body.addEventListener("htmx:before:request", (event) => {
    const part = event.detail.ctx.sourceElement;
    if (parts.has(part)) parts.get(part).busy = true;
  });
  body.addEventListener("htmx:finally:request", (event) => {
    const part = event.detail.ctx.sourceElement;
    if (!parts.has(part)) return;
    const state = parts.get(part);
    state.busy = false;
    if (state.again) { state.again = false; refresh(part); }
  });

  // A form that was fulfilled begins anew, with another id: sending it again is another wish.
  const newUuid = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 15) | 64; // RFC 9562, 5.4: version 4
    bytes[8] = (bytes[8] & 63) | 128;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  };
  body.addEventListener("pw-done", (event) => {
    const form = event.target.closest("form");
    if (form) {
      form.reset();
      form.querySelectorAll("input[data-uuid]").forEach((input) => { input.value = newUuid(); });
    }
    refreshAll();
  });

  // A note goes away when it is clicked; a good one by itself.
  const notes = document.getElementById("page-note");
  let fading = 0;
  notes.addEventListener("click", () => notes.replaceChildren());
  new MutationObserver(() => {
    clearTimeout(fading);
    if (notes.querySelector(".note-good:not(.note-keep)")) {
      fading = setTimeout(() => notes.replaceChildren(), NOTE_MS);
    }
  }).observe(notes, { childList: true });

  // How long ago, as backend/web/format.py says it.
  const span = (seconds) => {
    for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) {
      if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit}`;
    }
    return `${Math.floor(seconds)} s`;
  };
  const tellAges = () => {
    const now = Date.now() + skewMs;
    document.querySelectorAll("time[data-age]").forEach((time) => {
      const seconds = (now - Date.parse(time.dateTime)) / 1000;
      const text = seconds < -1 ? `in ${span(-seconds)}` : `${span(Math.max(seconds, 0))} ago`;
      if (time.textContent !== text) time.textContent = text;
    });
  };
  setInterval(tellAges, 1000);

  // Parts that no event announces: asked while somebody looks.
  setInterval(() => {
    if (document.hidden) return;
    document.querySelectorAll("[data-live-every]").forEach((part) => {
      const every = Number(part.dataset.liveEvery);
      if (performance.now() - stateOf(part).last >= every - 50) refresh(part);
    });
  }, 250);

  const sign = document.getElementById("link-state");
  const say = (state, text) => {
    if (!sign || sign.dataset.state === state) return;
    sign.dataset.state = state;
    sign.querySelector(".link-text").textContent = text;
  };

  if (body.dataset.events) {
    let lost = 0;
    const source = new EventSource(body.dataset.events);
    source.addEventListener("open", () => { clearTimeout(lost); lost = 0; say("live", "live"); });
    source.addEventListener("reset", refreshAll); // Anything may have changed unseen.
    source.addEventListener("change", (event) => changed(event.data));
    source.addEventListener("error", () => {
      if (!lost) lost = setTimeout(() => say("lost", "not live: trying again"), SLOW_MS);
      if (source.readyState === EventSource.CLOSED) {
        // Refused, not cut: the session is over or the server restarts. Look again by loading.
        say("lost", "not live: reload the page");
      }
    });
    addEventListener("pagehide", () => source.close());
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }
})();
