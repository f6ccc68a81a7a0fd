"use strict";

// Airflow stores its theme under this key. This page has the same origin, inside Airflow's frame and outside of it.
function applyTheme() {
  let stored = null;
  try { stored = localStorage.getItem("theme"); } catch { /* Storage may be forbidden. Then the system's theme applies. */ }
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = stored === "dark" || stored === "light" ? stored : system;
}

function announce(text) {
  document.getElementById("spoken").textContent = text;
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    // Without HTTPS there is no clipboard. The text is selected, so that the user can copy it.
    getSelection().selectAllChildren(button.previousElementSibling);
    announce("Selected; press Ctrl-C to copy.");
    return;
  }
  button.textContent = "Copied";
  announce("Copied");
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

const posters = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    posters.unobserve(target);
    target.preload = "metadata";
    target.src = target.dataset.poster;
  }
});

// A poster costs some requests, so only visible ones are loaded.
function loadVisiblePosters() {
  document.querySelectorAll("[data-poster]:not([src])").forEach((poster) => posters.observe(poster));
}

function isSame(shown, wanted) {
  if (shown.nodeName !== wanted.nodeName) return false;
  if (!(shown instanceof Element)) return true;
  if (shown.dataset.key !== wanted.dataset.key) return false;
  // A player of another medium is another player.
  return ["src", "data-poster"].every((name) => !wanted.hasAttribute(name) || shown.getAttribute(name) === wanted.getAttribute(name));
}

// Makes a part of the page equal to a new version of it. What is unchanged is not touched: it keeps the focus, the
// scroll position, the selection and what plays.
function update(shown, wanted) {
  if (!(shown instanceof Element)) {
    if (shown.nodeValue !== wanted.nodeValue) shown.nodeValue = wanted.nodeValue;
    return;
  }
  // The user has opened it, and its content was loaded separately.
  if (shown.dataset.shown !== undefined || shown.matches("video, audio")) return;
  for (const { name, value } of wanted.attributes) if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  for (const { name } of [...shown.attributes]) if (!wanted.hasAttribute(name) && name !== "open") shown.removeAttribute(name);
  updateChildren(shown, wanted);
}

function updateChildren(shown, wanted) {
  const keyed = new Map([...shown.children].filter((child) => child.dataset.key).map((child) => [child.dataset.key, child]));
  let next = shown.firstChild;
  for (const child of [...wanted.childNodes]) {
    // A parser drops blanks at the beginning of a part.
    while (child instanceof Element && next instanceof Text && !next.nodeValue.trim()) {
      const blank = next;
      next = next.nextSibling;
      blank.remove();
    }
    const key = child instanceof Element ? child.dataset.key : undefined;
    const candidate = key ? keyed.get(key) : next;
    if (!candidate || !isSame(candidate, child)) {
      shown.insertBefore(child, next);
      continue;
    }
    if (candidate === next) next = next.nextSibling;
    else shown.insertBefore(candidate, next);
    update(candidate, child);
  }
  while (next) {
    const rest = next;
    next = next.nextSibling;
    rest.remove();
  }
}

// Loads a part of the page.
async function load(section, address) {
  let text;
  try {
    const reply = await fetch(address, { headers: { Accept: "text/html" } });
    if (reply.status === 401) { location.reload(); return; }
    text = reply.ok ? await reply.text() : "<p>This part of the page cannot be loaded (HTTP " + reply.status + ").</p>";
  } catch {
    return; // The next request may succeed.
  }
  if (section.dataset.shown === text) return;
  section.dataset.shown = text;
  const wanted = new DOMParser().parseFromString(text, "text/html").body;
  const heading = section.querySelector("h2");
  if (heading && !wanted.querySelector("h2")) wanted.prepend(heading.cloneNode(true));
  const active = section.contains(document.activeElement) ? document.activeElement : null;
  updateChildren(section, wanted);
  if (active && active !== document.activeElement) keepFocus(section, active);
  if (section.querySelector("[data-reload]")) location.reload();
  loadVisiblePosters();
}

// An element that was moved loses the focus. One that is gone leaves it to its part of the page.
function keepFocus(section, active) {
  if (!section.contains(active)) section.tabIndex = -1;
  (section.contains(active) ? active : section).focus({ preventScroll: true });
}

function keepLoading(section) {
  const seconds = Number(section.dataset.every || 0);
  const again = async () => {
    if (!document.hidden) await load(section, section.dataset.load);
    if (seconds && !section.querySelector("[data-final]")) setTimeout(again, seconds * 1000);
  };
  if ("loaded" in section.dataset) setTimeout(again, seconds * 1000);
  else again();
}

// Shows the server's error for a medium that does not play, since the media element has no such text.
async function showError(player) {
  const problem = player.parentElement.querySelector(".problem");
  if (!problem) return;
  const reply = await fetch(player.currentSrc, { headers: { Range: "bytes=0-0" } });
  if (reply.ok) {
    problem.textContent = "This browser cannot play the file.";
  } else {
    const message = new DOMParser().parseFromString(await reply.text(), "text/html").querySelector("main p");
    problem.textContent = message ? message.textContent : "The file cannot be loaded (HTTP " + reply.status + ").";
  }
  problem.hidden = false;
}

function clockTime(seconds) {
  return Math.floor(seconds / 60) + ":" + String(Math.floor(seconds % 60)).padStart(2, "0");
}

// Plays both videos together. The source follows the result, and repeats if it is shorter.
function playTogether() {
  const [source, result] = [document.getElementById("source"), document.getElementById("result")];
  const [both, seek] = [document.getElementById("both"), document.getElementById("seek")];
  const sound = document.getElementById("original-sound");
  const follow = () => {
    const length = source.duration || Infinity;
    const wanted = result.currentTime % length;
    if (Math.abs(source.currentTime - wanted) > 0.25) source.currentTime = wanted;
  };
  const chooseSound = () => { source.muted = !sound.checked; result.muted = sound.checked; };
  chooseSound();
  sound.addEventListener("change", chooseSound);
  both.addEventListener("click", () => {
    if (result.paused) { follow(); source.play().catch(() => {}); result.play().catch(() => {}); }
    else { result.pause(); }
  });
  result.addEventListener("play", () => { both.textContent = "Pause both"; source.play().catch(() => {}); });
  result.addEventListener("pause", () => { both.textContent = "Play both"; source.pause(); });
  result.addEventListener("seeked", follow);
  result.addEventListener("timeupdate", () => {
    if (!result.paused) follow();
    seek.value = result.duration ? Math.round(1000 * result.currentTime / result.duration) : 0;
    const text = clockTime(result.currentTime);
    document.getElementById("position").textContent = text;
    seek.setAttribute("aria-valuetext", text);
  });
  source.addEventListener("ended", () => { if (!result.paused && !result.ended) source.play().catch(() => {}); });
  seek.addEventListener("input", () => {
    if (result.duration) result.currentTime = result.duration * seek.value / 1000;
  });
}

applyTheme();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyTheme);
addEventListener("storage", applyTheme);
// An error does not bubble. A player may be added later.
document.addEventListener("error", ({ target }) => { if (target.matches("figure video, audio")) showError(target); }, true);

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-load]").forEach(keepLoading);
  if (document.querySelector("[data-together]")) playTogether();
  loadVisiblePosters();
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
    const link = event.target.closest("a.out");
    if (link && parent !== window) {
      // Airflow's frame blocks links that lead out of it. A link in the page around the frame works.
      event.preventDefault();
      const out = parent.document.createElement("a");
      out.href = link.href;
      if (link.hasAttribute("download")) out.download = link.download;
      out.click();
    }
  });
  document.addEventListener("toggle", (event) => {
    const { open, dataset } = event.target;
    if (open && dataset.open) load(event.target.querySelector("div"), dataset.open);
  }, true);
});
