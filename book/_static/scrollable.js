// What scrolls by itself can be reached with the keyboard: a wide formula, table or program.
"use strict";

const scrollable = "div.math, .bd-article table, .bd-article pre";

function markScrollable() {
  for (const element of document.querySelectorAll(scrollable)) {
    const scrolls = element.scrollWidth > element.clientWidth;
    if (scrolls) element.tabIndex = 0;
    else element.removeAttribute("tabindex");
  }
}

addEventListener("load", () => {
  markScrollable();
  addEventListener("resize", markScrollable);
  document.addEventListener("toggle", markScrollable, true); // a folded part that opens
  document.addEventListener("change", markScrollable); // another tab
});
