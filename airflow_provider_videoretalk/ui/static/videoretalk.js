"use strict";

// Airflow keeps its theme under this name; within its frame or beside it, this page is of the same origin.
function theme() {
  let kept = null;
  try { kept = localStorage.getItem("theme"); } catch { /* Storage may be forbidden; then the system decides. */ }
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = kept === "dark" || kept === "light" ? kept : system;
}

function say(text) {
  document.getElementById("spoken").textContent = text;
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    // Without HTTPS there is no clipboard: the text is selected, to be copied by hand.
    getSelection().selectAllChildren(button.previousElementSibling);
    say("Selected; press Ctrl-C to copy.");
    return;
  }
  button.textContent = "Copied";
  say("Copied");
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

// A part of the page that the server makes. It is not replaced while it says the same, nor while somebody is in it.
async function load(place, address) {
  let text;
  try {
    const reply = await fetch(address, { headers: { Accept: "text/html" } });
    if (reply.status === 401) { location.reload(); return; }
    text = reply.ok ? await reply.text() : "<p>This can't be shown to you, or not now (" + reply.status + ").</p>";
  } catch {
    return; // The next time may be better.
  }
  if (place.dataset.was === text || place.contains(document.activeElement)) return;
  place.dataset.was = text;
  const heading = place.querySelector("h2");
  place.innerHTML = text;
  if (heading && !place.querySelector("h2")) place.prepend(heading);
  if (place.querySelector("[data-reload]")) location.reload();
}

function keepLoading(place) {
  const seconds = Number(place.dataset.every || 0);
  const again = async () => {
    if (!document.hidden) await load(place, place.dataset.load);
    if (seconds) setTimeout(again, seconds * 1000);
  };
  again();
}

// What the server says of a medium that does not play: the element itself tells nothing.
async function explain(player) {
  const problem = player.parentElement.querySelector(".problem");
  if (!problem) return;
  const reply = await fetch(player.currentSrc, { headers: { Range: "bytes=0-0" } });
  if (reply.ok) {
    problem.textContent = "This browser can't play it.";
  } else {
    const said = new DOMParser().parseFromString(await reply.text(), "text/html").querySelector("main p");
    problem.textContent = said ? said.textContent : "It can't be loaded (" + reply.status + ").";
  }
  problem.hidden = false;
}

function minutes(seconds) {
  return Math.floor(seconds / 60) + ":" + String(Math.floor(seconds % 60)).padStart(2, "0");
}

// The result leads; the source follows, and starts anew where it is shorter.
function together() {
  const [source, result] = [document.getElementById("source"), document.getElementById("result")];
  const [both, seek] = [document.getElementById("both"), document.getElementById("seek")];
  const sound = document.getElementById("original-sound");
  const follow = () => {
    const length = source.duration || Infinity;
    const wanted = result.currentTime % length;
    if (Math.abs(source.currentTime - wanted) > 0.25) source.currentTime = wanted;
  };
  const hear = () => { source.muted = !sound.checked; result.muted = sound.checked; };
  hear();
  sound.addEventListener("change", hear);
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
    const text = minutes(result.currentTime);
    document.getElementById("position").textContent = text;
    seek.setAttribute("aria-valuetext", text);
  });
  source.addEventListener("ended", () => { if (!result.paused && !result.ended) source.play().catch(() => {}); });
  seek.addEventListener("input", () => {
    if (result.duration) result.currentTime = result.duration * seek.value / 1000;
  });
}

// A poster costs some requests: only those that come into sight are loaded.
function posters() {
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      target.preload = "metadata";
      target.src = target.dataset.poster;
    }
  });
  document.querySelectorAll("[data-poster]").forEach((poster) => seen.observe(poster));
}

theme();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", theme);
addEventListener("storage", theme);

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-load]").forEach(keepLoading);
  if (document.querySelector("[data-together]")) together();
  posters();
  document.querySelectorAll("figure video, audio").forEach((player) => {
    player.addEventListener("error", () => explain(player));
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
    const link = event.target.closest("a.out");
    if (link && parent !== window) {
      // Airflow's frame lets no link lead out of it; a link of the page around it may.
      event.preventDefault();
      const out = parent.document.createElement("a");
      out.href = link.href;
      out.click();
    }
  });
  document.addEventListener("toggle", (event) => {
    const { open, dataset } = event.target;
    if (open && dataset.open) load(event.target.querySelector("div"), dataset.open);
  }, true);
});
