"use strict";
// The page works without this: it adds a filter, one button for all folds, copying of commands, and charts to hover over.
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

// Charts take the page's colours, so that they are light or dark as it is, and as many columns as there is room for.
const ink = {labelColor: "var(--ink)", titleColor: "var(--ink)"};
const theme = {
  axis: {...ink, gridColor: "var(--line)", domainColor: "var(--strong)", tickColor: "var(--strong)"},
  header: ink, legend: ink, title: {color: "var(--ink)"}, text: {color: "var(--ink)"}, rule: {color: "var(--ink)"}, point: {color: "var(--ink)"},
  range: {category: [0, 1, 2, 3, 4, 5, 6, 7].map((i) => `var(--s${i})`)}, view: {stroke: "var(--strong)"},
};

function fitted(spec, room) {
  const config = {...spec.config, background: "transparent"};
  for (const [part, values] of Object.entries(theme)) config[part] = {...config[part], ...values};
  if (room < 500) config.legend.columns = 1;
  const panels = spec.spec ? [spec.spec] : spec.concat ?? [spec];
  const wanted = panels[0].width;
  let columns = spec.columns ?? 1;
  while (columns > 1 && room / columns - 60 < 0.8 * wanted) columns -= 1;
  for (const panel of panels) panel.width = Math.min(wanted, Math.max(200, room / columns - 60));
  return {...spec, ...(spec.columns && {columns}), title: null, config};
}

// The library is unpacked where a chart comes near the screen; the policy of this page knows its hash.
async function unpacked() {
  const bytes = Uint8Array.from(atob(document.getElementById("library").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  return window.vegaEmbed;
}

let library;
async function draw(plot) {
  const embed = await (library ??= unpacked());
  const chart = document.createElement("div");
  const spec = fitted(JSON.parse(plot.nextElementSibling.textContent), plot.clientWidth - 24);
  const options = {ast: true, renderer: "svg", actions: false, defaultStyle: false, tooltip: {disableDefaultStyle: true}};
  await embed(chart, spec, options);
  // One picture with one description; its thousand parts would be read out one by one.
  chart.role = "img";
  chart.ariaLabel = plot.firstElementChild.alt;
  chart.querySelector("svg").ariaHidden = "true";
  plot.replaceChildren(chart);
}

const near = new IntersectionObserver((entries) => {
  for (const {target} of entries.filter((entry) => entry.isIntersecting)) {
    near.unobserve(target);
    draw(target);
  }
}, {rootMargin: "1000px"});
document.querySelectorAll(".plot").forEach((plot) => near.observe(plot));
