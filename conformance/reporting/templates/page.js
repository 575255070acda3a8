// The address is the state: "#/?framework=torch&dtype=bfloat16" or "#/fault/ID".

const choices = JSON.parse(document.getElementById("choices").textContent);
const answered = JSON.parse(document.getElementById("answered").textContent);
const picker = document.getElementById("picker");
const home = document.getElementById("home");
const pages = document.getElementById("fault-pages");
const lines = [...document.querySelectorAll(".faults > li")];
const rows = [...document.querySelectorAll("#matrix tbody tr")];

function build() {
  for (const [name, values] of Object.entries(choices)) {
    if (values.length < 2) continue;
    const select = document.createElement("select");
    select.name = name;
    select.setAttribute("aria-label", name);
    select.append(new Option(`any ${name}`, ""), ...values.map((value) => new Option(value, value)));
    document.getElementById("picked").append(select, " ");
  }
  picker.hidden = false;
}

function written() {
  const filters = parsed(location.hash).filters;
  for (const [name, value] of new FormData(picker)) filters[name] = value;
  const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
  history.replaceState(null, "", query.size ? `#/?${query}` : "#/");
  paint();
}

/** The row of a framework stands for those of its targets, until it is opened. */
const folds = rows.filter((row) => row.dataset.targets).map((row) => ({ row, button: row.querySelector("button"), open: false, mine: rows.filter((one) => one.dataset.of === row.dataset.framework) }));
for (const fold of folds) fold.button.addEventListener("click", () => { fold.open = !fold.open; paint(); });

const cells = [...document.querySelectorAll("#matrix td")].map((element) => {
  const row = element.parentElement, name = `${row.dataset.name}: ${element.dataset.aspect}`;
  const shown = element.firstElementChild;
  const names = folds.find((fold) => fold.row === row)?.mine.map((one) => one.dataset.name) ?? [row.dataset.name];
  const pairs = names.flatMap((one) => answered.cells[one]?.[element.dataset.aspect] ?? []).map((i) => answered.pairs[i]);
  return { shown, pairs, whole: shown.outerHTML, mine: lines.filter((line) => JSON.parse(line.dataset.cell).includes(name)) };
});

/** A cell of the matrix: as it is, or where a dtype or an op is chosen, of the faults that these have. */
function paintCell(cell, filters) {
  const chosen = filters.dtype || filters.op;
  const listed = cell.mine.filter((line) => matches(line.dataset, { ...filters, q: "", cell: "" }, ""));
  const made = document.createElement("template");
  made.innerHTML = cell.whole;
  const next = made.content.firstElementChild, small = next.querySelector("small");
  if (chosen) {
    const asked = cell.pairs.some(([op, dtype]) => (!filters.op || op === filters.op) && (!filters.dtype || dtype === filters.dtype));
    const state = ["violation", "degraded"].find((one) => listed.some((line) => line.classList.contains(one))) ?? (asked ? "fine" : "none");
    next.className = state;
    next.firstElementChild.textContent = { violation: "✗", degraded: "△", fine: "✓", none: "–" }[state];
    if (small) small.textContent = listed.length || "";
    const told = { fine: "asked, and nothing is wrong", none: "does not have it, or was not asked" }[state] ?? `${state}, ${listed.length} faults`;
    next.setAttribute("aria-label", small ? next.getAttribute("aria-label").replace(/: [^:]*$/, `: ${told}`) : told);
    if (!small) next.title = told;
  }
  cell.shown.replaceWith(next);
  cell.shown = next;
}

const headline = document.getElementById("headline"), whole = headline.textContent;
const columns = [...document.querySelectorAll("#grade-table thead th[data-target]")];

/**
 * The rows of the matrix that are chosen; those of a framework folded, unless one of its targets, or the framework, is.
 * Returns the names of the targets that are not chosen.
 */
function paintRows(filters) {
  for (const row of rows) row.hidden = !matches(row.dataset, { ...filters, q: "", cell: "" }, "");
  const chosen = ["framework", "release", "mode", "device"].some((name) => filters[name]);
  const gone = new Set(rows.filter((row) => row.hidden).map((row) => row.dataset.name));
  for (const { row, button, open, mine } of folds) {
    row.hidden = chosen;
    button.setAttribute("aria-expanded", String(open));
    if (!chosen && !open) for (const one of mine) one.hidden = true;
  }
  return gone;
}

/** The headline, and of every table of targets the rows or columns, of the targets that are chosen. */
function paintTargets(filters, gone) {
  const names = ["framework", "release", "mode", "device"], chosen = names.map((name) => filters[name]).filter(Boolean);
  const more = [filters.dtype, filters.op].filter(Boolean), wrong = lines.filter((line) => !line.hidden && line.classList.contains("violation")).length;
  const unknown = Object.keys(choices).filter((name) => filters[name] && !choices[name].includes(filters[name]));
  const note = document.getElementById("unknown"), of = [...chosen, ...more].join(", "), none = rows.every((row) => row.hidden);
  note.hidden = !unknown.length;
  note.textContent = unknown.map((name) => `This report holds no ${name} “${filters[name]}”; it has ${choices[name].join(", ")}.`).join(" ");
  const narrowed = chosen.length + more.length > 0 && !filters.q && !filters.cell && !unknown.length;
  headline.textContent = !narrowed ? whole : none ? `Nothing here was asked of ${of}` : !wrong ? `No fault was found in ${of}`
    : `${wrong} ${wrong === 1 ? "way" : "ways"} softmax is wrong in ${of}`;
  for (const told of document.querySelectorAll(".whole, #notes")) told.hidden = narrowed;
  for (const name of names)
    for (const option of picker.elements[name]?.options ?? [])
      option.disabled = Boolean(option.value) && !rows.some((row) => !row.dataset.targets && matches(row.dataset, { ...Object.fromEntries(names.map((one) => [one, filters[one]])), [name]: option.value }, ""));
  for (const id of ["policy-table", "agreement-table", "unanswered-table"])
    for (const row of document.querySelectorAll(`#${id} tbody tr`)) row.hidden = gone.has(row.cells[0].textContent);
  for (const row of document.querySelectorAll("[data-claim] tbody tr")) row.hidden = gone.has(row.cells[0].textContent);
  columns.forEach((head, at) => {
    const own = !head.classList.contains("control"), hidden = own ? gone.has(head.dataset.target) : Boolean(filters.framework) && filters.framework !== head.dataset.framework;
    if (head.hidden === hidden) return;
    for (const row of document.getElementById("grade-table").rows) row.cells[at + 1].hidden = hidden;
  });
  for (const note of document.querySelectorAll(".every-dtype")) note.hidden = !more.length;
}

/** Move focus to a heading, as a link to it does, and leave the address as it is. */
function focusOn(heading) {
  heading.tabIndex = -1;
  heading.focus();
}

/** Resolves when the tables that the address names are filled. */
let settled = Promise.resolve();

/** Show the section that the address names, once what stands above it has its height. */
async function reveal() {
  const { filters } = parsed(location.hash);
  await settled;
  if ("rows" in filters) document.getElementById("rows-title").scrollIntoView();
  else if ("two" in filters) document.getElementById("two-title").scrollIntoView();
  else if ("errors" in filters) document.getElementById("errors").scrollIntoView();
}

function paint() {
  const { fault, filters } = parsed(location.hash);
  home.hidden = Boolean(fault);
  for (const name of ["two-section", "rows-section", "errors-section"]) document.getElementById(name).hidden = false;
  for (const page of pages.children) page.hidden = page.id !== `/fault/${fault}`;
  if (fault) {
    const page = document.getElementById(`/fault/${fault}`);
    if (!page) location.hash = "/";
    else {
      focusOn(page.querySelector("h2"));
      scrollTo(0, 0);
      for (const figure of page.querySelectorAll(".lanes-figure")) drawLanes(figure);
    }
    return;
  }
  for (const field of picker.elements) if (field.name) field.value = filters[field.name] ?? "";
  let shown = 0;
  for (const line of lines) {
    line.hidden = !matches(line.dataset, filters, line.textContent.toLowerCase());
    shown += !line.hidden;
    // What is printed with the faults that are shown.
    document.getElementById(`/fault/${line.dataset.fault}`).classList.toggle("filtered", line.hidden);
  }
  const gone = paintRows(filters);
  const narrowed = Object.entries(filters).some(([name, value]) => value && !["rows", "errors", "two"].includes(name));
  const counted = document.getElementById("counted");
  counted.hidden = !narrowed;
  counted.textContent = `${shown} of ${lines.length} faults`;
  for (const folded of document.querySelectorAll("details.more")) {
    const inside = lines.filter((line) => !line.hidden && folded.contains(line)).length;
    folded.open = narrowed;
    folded.hidden = !inside;
    folded.querySelector(".count").textContent = inside;
  }
  paintTargets(filters, gone);
  for (const cell of cells) paintCell(cell, filters);
  if ("rows" in filters) document.getElementById("rows").open = true;
  if ("two" in filters) document.getElementById("two").open = true;
  settled = Promise.all(["rows" in filters ? openRows(filters.rows) : null, document.getElementById("two").open ? drawTwo() : null]);
  if (filters.cell) document.getElementById("faults").scrollIntoView();
  setTimeout(drawErrors);
}

for (const link of document.querySelectorAll("a.skip"))
  link.addEventListener("click", (event) => {
    event.preventDefault();
    focusOn(document.querySelector(link.getAttribute("href")));
  });

const rowsQuery = document.getElementById("rows-query");
function asked() {
  const filters = { ...parsed(location.hash).filters, rows: rowsQuery.value };
  history.replaceState(null, "", `#/?${new URLSearchParams(filters)}`);
  openRows(rowsQuery.value);
}
let waiting = 0;
rowsQuery.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(asked, 150);
});
document.getElementById("rows-form").addEventListener("submit", (event) => { event.preventDefault(); asked(); });
document.getElementById("rows").addEventListener("toggle", (event) => { if (event.target.open && !opened) asked(); });

build();
for (const event of ["input", "change"]) picker.addEventListener(event, written);
picker.addEventListener("reset", () => { history.replaceState(null, "", "#/"); setTimeout(paint); });
picker.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", () => {
  paint();
  reveal();
});
document.getElementById("errors-form").addEventListener("change", (event) => {
  const chosen = [...new FormData(event.currentTarget).values()].join("|");
  history.replaceState(null, "", `#/?${new URLSearchParams({ ...parsed(location.hash).filters, errors: chosen })}`);
  drawErrors();
});
document.getElementById("two-form").addEventListener("change", (event) => {
  const chosen = [...new FormData(event.currentTarget).values()].join("|"), { rows: old, ...filters } = parsed(location.hash).filters;
  history.replaceState(null, "", `#/?${new URLSearchParams({ ...filters, two: chosen })}`);
  if (old) openRows("");  // a query of the two before
  drawTwo();
});
document.getElementById("two").addEventListener("toggle", (event) => { if (event.target.open) drawTwo(); });
addEventListener("resize", drawErrors);
addEventListener("beforeprint", () => document.querySelectorAll(".lanes-figure").forEach(drawLanes));
paint();
reveal();
for (const button of document.querySelectorAll("button.copy"))
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.nextElementSibling.textContent);
    button.textContent = "copied";
  });
