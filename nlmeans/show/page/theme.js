// Light or dark as the reader's system has it, until the button says otherwise. In the head, so that nothing flashes.
"use strict";
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  root.classList.add("js");
  try {
    const kept = localStorage.getItem("nlmeans-theme");
    if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  } catch { /* a page in a sandbox has no storage */ }

  const theme = () => root.dataset.theme || (dark.matches ? "dark" : "light");

  addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("button.theme");
    const name = () => { button.textContent = theme() === "dark" ? "Light theme" : "Dark theme"; };
    button.hidden = false;
    name();
    dark.addEventListener("change", name);
    button.addEventListener("click", () => {
      root.dataset.theme = theme() === "dark" ? "light" : "dark";
      try { localStorage.setItem("nlmeans-theme", root.dataset.theme); } catch { /* as above */ }
      name();
    });
  });
})();
