// Charts take the page's colours, so that they are light or dark as it is, and as many columns as there is room for.
const ink = {labelColor: "var(--ink)", titleColor: "var(--ink)"};
const theme = {
  axis: {...ink, gridColor: "var(--line)", domainColor: "var(--strong)", tickColor: "var(--strong)"},
  header: ink, legend: ink, title: {color: "var(--ink)"}, text: {color: "var(--ink)"}, rule: {color: "var(--ink)"}, point: {color: "var(--ink)"},
  range: {category: [0, 1, 2, 3, 4, 5, 6, 7].map((i) => `var(--s${i})`)}, view: {stroke: "var(--strong)"},
};

// The parts of a chart that stand next to or below each other, and the panels in them.
const parts = (spec) => spec.concat ?? [spec];
const panels = (spec) => parts(spec).map((part) => part.spec ?? part);

const columns = (spec) => Math.max(1, ...[spec, ...parts(spec)].map((part) => part.columns ?? 1));
const AXIS_PX = 60;
const LEAST_PX = 130; // of a panel
const LEAST_CELL_PX = 56; // of a heat map, for its columns' names
const NARROW_PX = 500; // below it names of rows have two lines

// The chart in the page's colours, with as many columns and as wide panels as there is room for.
function fitted(spec, room) {
  const config = {...spec.config, background: "transparent"};
  for (const [part, values] of Object.entries(theme)) config[part] = {...config[part], ...values};
  if (room < NARROW_PX) config.legend.columns = 1;
  const narrow = spec.params?.find((param) => param.name === "narrow");
  if (narrow) {
    narrow.value = room < NARROW_PX;
    for (const panel of panels(spec)) panel.height.step = narrow.value ? 30 : 20;
  }
  const wanted = panels(spec)[0].width;
  for (const part of [spec, ...parts(spec)]) {
    while (part.columns > 1 && room / part.columns - AXIS_PX < 0.8 * wanted) part.columns -= 1;
  }
  widen(spec, (width) => Math.min(width, Math.max(LEAST_PX, room / columns(spec) - AXIS_PX)));
  return {...spec, title: null, config};
}

// A panel of cells, such as a heat map, is as wide as its columns, whose names are in the order of `sort`.
function widen(spec, change) {
  for (const panel of panels(spec)) {
    if (typeof panel.width === "number") panel.width = change(panel.width);
    const count = panel.width?.step && panel.layer[0].encoding.x.sort.length;
    if (count) panel.width.step = Math.max(LEAST_CELL_PX, change(panel.width.step * count) / count);
  }
}

// The text of an element that holds it compressed.
async function unpacked(element) {
  const bytes = Uint8Array.from(atob(element.textContent), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

// The library is loaded where a chart comes near the screen; the policy of this page knows its hash.
async function loaded() {
  const script = document.createElement("script");
  script.textContent = await unpacked(document.getElementById("library"));
  document.head.append(script);
  return window.vegaEmbed;
}

let library;
const drawnFor = new WeakMap(); // that a plot was last drawn for
async function draw(plot) {
  const width = plot.clientWidth;
  if (drawnFor.get(plot) === width) return;
  drawnFor.set(plot, width);
  const embed = await (library ??= loaded());
  const chart = document.createElement("div");
  const room = width - 24;
  const spec = fitted(JSON.parse(await unpacked(plot.nextElementSibling)), room);
  const options = {ast: true, renderer: "svg", actions: false, defaultStyle: false, tooltip: {disableDefaultStyle: true}};
  await embed(chart, spec, options);
  // How much room the names on an axis take is known when they are drawn.
  const over = chart.querySelector("svg").width.baseVal.value - room;
  if (over > 0) {
    widen(spec, (panel) => Math.max(LEAST_PX, panel - over / columns(spec)));
    await embed(chart, spec, options);
  }
  if (drawnFor.get(plot) !== width) return; // it has been drawn anew meanwhile
  // One picture with one description; its thousand parts would be read out one by one.
  chart.role = "img";
  chart.ariaLabel = plot.firstElementChild.alt ?? plot.firstElementChild.ariaLabel;
  chart.querySelector("svg").ariaHidden = "true";
  plot.replaceChildren(chart);
}

// A chart is drawn where it comes near the screen, and anew where the screen is turned or the window gets another width.
const waiting = new WeakMap();
const resized = new ResizeObserver((entries) => {
  for (const {target} of entries) {
    clearTimeout(waiting.get(target));
    waiting.set(target, setTimeout(draw, drawnFor.has(target) ? 200 : 0, target));
  }
});
const near = new IntersectionObserver((entries) => {
  for (const {target} of entries.filter((entry) => entry.isIntersecting)) {
    near.unobserve(target);
    resized.observe(target);
  }
}, {rootMargin: "1000px"});
document.querySelectorAll(".plot").forEach((plot) => near.observe(plot));
