// Before anything is shown, so that a dark page never flashes white.
(() => {
  let chosen = "";
  try {
    chosen = JSON.parse(localStorage.getItem("kakusan.theme") ?? '""');
  } catch {
    // keep the system's
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
