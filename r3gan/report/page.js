"use strict";
// The page works without its scripts: they add sorting, searching and filtering of tables, one button for all folds,
// copying of commands, and charts to hover over.
document.documentElement.classList.add("scripted");
document.querySelector(".tools").hidden = false;
// The list of contents is open where it stands next to the tables, and a fold above them on a phone.
document.getElementById("contents").open = matchMedia("(min-width: 40rem)").matches;

const unfold = document.getElementById("unfold");
let open = false;
unfold.addEventListener("click", () => {
  open = !open;
  for (const fold of document.querySelectorAll("main details")) fold.open = open;
  unfold.textContent = open ? "Close all folds" : "Open all folds";
});

for (const code of document.querySelectorAll("code.copy")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copies";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      // Not every browser lets a page from disk write to the clipboard: then it is selected, ready to be copied.
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
  });
  code.after(button);
}

// Thousands of buttons open a panel: written into each, this would be 3% of the page.
for (const button of document.querySelectorAll("button.value")) button.ariaHasPopup = "dialog";

// A browser moves the focus into a dialog, but not into a popover.
for (const panel of document.querySelectorAll("[popover]")) {
  panel.addEventListener("toggle", (event) => {
    if (event.newState === "open") panel.focus();
  });
}
