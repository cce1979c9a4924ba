"use strict";
// The page works without this: it adds a filter, one button for all folds, and copying of commands.
document.querySelector(".tools").hidden = false;

const filter = document.getElementById("filter");
const shown = document.getElementById("shown");
filter.addEventListener("change", () => {
  let count = 0;
  for (const row of document.querySelectorAll("tr[data-verdicts]")) {
    row.hidden = filter.value !== "" && !row.dataset.verdicts.split(" ").includes(filter.value);
    count += !row.hidden;
  }
  shown.textContent = filter.value === "" ? "" : `${count} rows`;
});

const unfold = document.getElementById("unfold");
let open = false;
unfold.addEventListener("click", () => {
  open = !open;
  for (const fold of document.querySelectorAll("details")) fold.open = open;
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

// A browser moves the focus into a dialog, but not into a popover.
for (const panel of document.querySelectorAll("[popover]")) {
  panel.addEventListener("toggle", (event) => {
    if (event.newState === "open") panel.focus();
  });
}
