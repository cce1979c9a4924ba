// Tables: sorted by a heading, searched and filtered together, and one stop of the Tab key each.
const tables = [...document.querySelectorAll("main table")];

// The headings of a table's columns, from left to right: the lowest where two are above each other.
function headings(table) {
  const rows = [...table.tHead.rows];
  const places = rows.map(() => []);
  rows.forEach((row, y) => {
    for (const cell of row.cells) {
      let x = 0;
      while (places[y][x]) x += 1;
      for (let down = 0; down < cell.rowSpan; down += 1) places[y + down].splice(x, cell.colSpan, ...Array(cell.colSpan).fill(cell));
    }
  });
  return places.at(-1);
}

const units = {s: 1, min: 60, h: 3600, days: 86400, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, k: 1e3, M: 1e6};

// What a cell is sorted by: a number with its unit, or else words in lower case.
function key(cell) {
  const text = cell.textContent.replace("Published:", "").replace(/^[^\p{L}\p{N}.-]+/u, "").replace(/(\d),(?=\d{3})/g, "$1").trim();
  const found = text.match(/^(?:x )?([-+]?[\d.]+(?:e[-+]?\d+)?)(?:\s*\/s)?(?: ?([a-zA-Z]+))?/);
  return found && !Number.isNaN(Number(found[1])) ? Number(found[1]) * (units[found[2]] ?? 1) : text.toLowerCase();
}

// Numbers come before words; nothing comes last in either direction.
function compare(a, b, sign) {
  if (a === "" || b === "") return (a === "") - (b === "");
  if (typeof a !== typeof b) return sign * (typeof a === "number" ? -1 : 1);
  return sign * (typeof a === "number" ? a - b : a.localeCompare(b));
}

function makeSortable(table) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const heads = headings(table);
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = {ascending: "descending", descending: null}[head.ariaSort] ?? (head.ariaSort ? null : "ascending");
      for (const other of heads) other.ariaSort = null;
      head.ariaSort = next;
      const sign = next === "descending" ? -1 : 1;
      const keyed = original.map((row) => [row, key(row.cells[column])]);
      if (next) keyed.sort(([, a], [, b]) => compare(a, b, sign));
      body.append(...keyed.map(([row]) => row));
    });
  });
}

// The arrow keys move between what can be pressed in a table, so that Tab leaves it at once.
const pressable = (part) => [...part.querySelectorAll("a[href], button")];

function makeOneStop(table) {
  const enter = (item) => {
    for (const each of pressable(table)) each.tabIndex = each === item ? 0 : -1;
  };
  enter(pressable(table)[0]);
  table.addEventListener("focusin", (event) => enter(event.target));
  table.addEventListener("keydown", (event) => {
    const row = event.target.closest("tr");
    const [inRow, left] = [pressable(row), event.target.getBoundingClientRect().left];
    const nearest = (items) => items.toSorted((a, b) =>
      Math.abs(a.getBoundingClientRect().left - left) - Math.abs(b.getBoundingClientRect().left - left))[0];
    const rows = [...table.rows].filter((each) => !each.hidden && pressable(each).length);
    const step = (by) => rows[rows.indexOf(row) + by];
    const at = inRow.indexOf(event.target);
    const next = {
      ArrowLeft: () => inRow[at - 1], ArrowRight: () => inRow[at + 1], Home: () => inRow[0], End: () => inRow.at(-1),
      ArrowUp: () => step(-1) && nearest(pressable(step(-1))), ArrowDown: () => step(1) && nearest(pressable(step(1))),
    }[event.key];
    if (!next) return;
    event.preventDefault();
    next()?.focus();
  });
}

for (const table of tables) {
  makeSortable(table);
  makeOneStop(table);
}

// One search for all tables: a row is left if it holds every word, in itself or in its table's name.
const search = document.getElementById("search");
const filter = document.getElementById("filter");
const shown = document.getElementById("shown");
const texts = new Map();
for (const table of tables) {
  for (const row of table.tBodies[0].rows) texts.set(row, `${table.caption.textContent} ${row.textContent}`.toLowerCase());
}

function sift() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const active = words.length > 0 || filter.value !== "";
  let [left, all] = [0, 0];
  for (const table of tables) {
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) {
      const verdicts = row.dataset.verdicts?.split(" ") ?? [];
      row.hidden = !words.every((word) => texts.get(row).includes(word)) || (filter.value !== "" && !verdicts.includes(filter.value));
    }
    const count = rows.filter((row) => !row.hidden).length;
    const block = table.closest(".block");
    const said = block.querySelector(".rows");
    block.hidden = active && count === 0;
    if (active && count > 0 && block.open === false) [block.open, block.dataset.opened] = [true, ""];
    if (!active && "opened" in block.dataset) [block.open, block.dataset.opened] = [false, undefined];
    said.textContent = said.textContent.replace(/^(\d+ of )?/, active ? `${count} of ` : "");
    if (table.tFoot) table.tFoot.hidden = active; // its sums are of all rows
    [left, all] = [left + count, all + rows.length];
  }
  for (const section of document.querySelectorAll("main > section")) {
    section.classList.toggle("empty", active && !section.querySelector(".block:not([hidden])"));
  }
  document.body.classList.toggle("sifted", active);
  shown.textContent = active ? `${left} of ${all} rows` : "";
}
// What is found begins under the search, wherever the reader was.
for (const [part, event] of [[search, "input"], [filter, "change"]]) {
  part.addEventListener(event, () => {
    sift();
    document.getElementById("main").scrollIntoView({behavior: "instant"});
  });
}
// A link leads to a place that may be hidden.
document.addEventListener("click", (event) => {
  if (!event.target.closest("a[href^='#']")) return;
  search.value = filter.value = "";
  sift();
});

// What is wider than the screen says so; and the keyboard scrolls it, where it holds nothing to be pressed.
const widths = new ResizeObserver((entries) => {
  for (const {target} of entries) {
    const isWide = target.scrollWidth > target.clientWidth + 1;
    const said = target.closest(".block")?.querySelector(".wide");
    if (said) said.hidden = !isWide;
    target.tabIndex = isWide && !pressable(target).length ? 0 : -1;
  }
});
document.querySelectorAll(".scroll, .plot").forEach((part) => widths.observe(part));
