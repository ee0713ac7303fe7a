// Typesets marked formulas with the KaTeX that Gradio brings, and lets lists be walked with the keyboard.
(() => {
  const options = { trust: false, maxExpand: 100, maxSize: 10, strict: "ignore", throwOnError: true };
  const address = "@KATEX@";
  const katex = address ? import(new URL(address, document.baseURI).href).then((m) => m.default) : Promise.reject();

  const raw = (element, source) => {
    const sign = element.dataset.mode === "display" ? "$$" : "$";
    element.textContent = source.startsWith("\\begin") ? source : sign + source + sign;
    element.classList.add("raw");
  };
  const typeset = (render) => {
    for (const element of document.querySelectorAll("span.tex:not(.raw)")) {
      if (element.querySelector(".katex")) continue;
      const source = element.textContent;
      try {
        render.render(source, element, { ...options, displayMode: element.dataset.mode === "display" });
      } catch {
        raw(element, source);
      }
    }
  };
  const withoutKatex = () => {
    for (const element of document.querySelectorAll("span.tex:not(.raw)")) raw(element, element.textContent);
  };

  let isWaiting = false;
  const soon = () => {
    if (isWaiting) return;
    isWaiting = true;
    requestAnimationFrame(() => {
      isWaiting = false;
      katex.then(typeset, withoutKatex);
    });
  };
  new MutationObserver(soon).observe(document.documentElement, { childList: true, subtree: true });
  soon();

  // `/` goes to the search, arrows (or j and k) walk the list, Enter opens, Escape goes back to the list.
  let last = null;
  const isTyping = (e) => e.target.closest("input, textarea, select, [contenteditable=true]");
  const rowsNear = (row) => [...(row.closest(".ml-results") || document).querySelectorAll("button.ml-row")];
  const visible = () => [...document.querySelectorAll("button.ml-row")].filter((row) => row.offsetParent);
  const walk = (step) => {
    const here = document.activeElement?.closest?.("button.ml-row");
    const rows = here ? rowsNear(here) : visible();
    const next = here ? rows[rows.indexOf(here) + step] : rows[0];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
    return Boolean(next);
  };
  document.addEventListener("click", (e) => {
    const row = e.target.closest?.("button.ml-row");
    if (!row) return;
    last = row.dataset.doc;
    for (const other of document.querySelectorAll('button.ml-row[aria-current="true"]')) other.removeAttribute("aria-current");
    row.setAttribute("aria-current", "true");
  });
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "Escape") {
      const rows = visible();
      (rows.find((row) => row.dataset.doc === last) || rows[0])?.focus();
      return;
    }
    if (isTyping(e)) return;
    if (e.key === "/") {
      document.querySelector("#ml-search input, #ml-search textarea")?.focus();
      e.preventDefault();
    } else if (["ArrowDown", "j", "ArrowUp", "k"].includes(e.key)) {
      const isList = document.activeElement?.closest?.(".ml-results") || e.key === "j" || e.key === "k";
      if (isList && walk(e.key === "ArrowDown" || e.key === "j" ? 1 : -1)) e.preventDefault();
    }
  });
  // A problem that was opened is read next: on a narrow screen it is below the list.
  new MutationObserver(() => {
    const open = document.querySelector("article.ml-open");
    if (!open || open.dataset.seen) return;
    open.dataset.seen = "1";
    open.querySelector("h2")?.focus({ preventScroll: window.innerWidth > 900 });
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
