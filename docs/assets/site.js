// Tables that scroll sideways must be reachable by keyboard. The theme wraps them after the page has loaded.
new MutationObserver(() => {
  for (const region of document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])")) region.tabIndex = 0;
}).observe(document.documentElement, { childList: true, subtree: true });
