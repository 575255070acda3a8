// The table of questions: unpacked when it is opened, filtered by a query that the address keeps.

const SIGNS = ["", "–", "⊘", "✓", "△", "✗"];

async function unzip(text) {
  const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return unpacked(await new Response(stream).arrayBuffer());
}

let unzipped = null;

/** The table of questions, unpacked once. */
function questions() {
  unzipped ??= unzip(document.getElementById("questions").textContent);
  return unzipped;
}

/** An error in three digits; empty where there is none. */
function sized(value) {
  if (Number.isNaN(value)) return "";
  if (value === Infinity) return "> 10¹⁹";
  return value >= 1000 && value < 1e15 ? Number(value.toPrecision(3)).toLocaleString("en") : String(Number(value.toPrecision(3)));
}

/** One row of the table as an object: the columns, then a cell for each target. */
function rowOf(table, i) {
  const row = { i };
  for (const column of COLUMNS) row[column] = table[column][table.numbers[column][i]];
  table.targets.forEach((target, j) => { row[`t${j}`] = table.state[j * table.count + i]; });
  return row;
}

function detail(table, i) {
  const list = document.createElement("table"), body = list.createTBody();
  const head = list.createTHead().insertRow();
  for (const name of ["target", "answer", "÷ bound", "ulp", "same bits as"]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    head.append(cell);
  }
  table.targets.forEach((target, j) => {
    const at = j * table.count + i, state = table.state[at], bits = table.bits[at];
    if (state < 2) return;
    const same = table.targets.filter((_, k) => k !== j && bits && table.bits[k * table.count + i] === bits).map((other) => other.name);
    const row = body.insertRow();
    for (const text of [target.name, `${SIGNS[state]} ${table.states[state]}`, table.over[at] === NONFINITE ? "not finite" : sized(errorOf(table.over[at])), sized(errorOf(table.ulp[at])), same.join(", ")])
      row.insertCell().textContent = text;
    row.cells[1].className = table.states[state];
  });
  return list;
}

let opened = null;

/** Open the table, once, and show the questions of a query. */
async function openRows(query) {
  const note = document.getElementById("rows-note"), field = document.getElementById("rows-query");
  if (document.activeElement !== field) field.value = query;
  if (!opened) {
    opened = (async () => {
      const table = await questions();
      const mark = (cell) => {
        const state = cell.getValue();
        cell.getElement().classList.add(`state-${state}`);
        cell.getElement().setAttribute("aria-label", table.states[state]);
        return SIGNS[state];
      };
      const grid = new Tabulator("#rows-table", {
        height: "min(85vh, 52rem)",
        layout: "fitDataFill",
        autoResize: false, // it takes the rows out and puts them back when they come into view, and the focus is lost
        rowHeight: 27,  // measured rows would cost most of a filter
        renderVerticalBuffer: 81,  // and so would as many rows again above and below those that are seen
        columns: [
          // On a narrow screen a frozen column would leave no room for a verdict.
          ...COLUMNS.map((name) => ({ title: name, field: name, frozen: name === "case" && innerWidth > 640, minWidth: { dtype: 115, way: 100 }[name] ?? 40 })),
          ...table.targets.map((target, j) => ({ title: target.name, field: `t${j}`, formatter: mark, hozAlign: "center", headerVertical: true,
            accessorDownload: (state) => table.states[state] })),
        ],
        data: Array.from({ length: table.count }, (_, i) => rowOf(table, i)),
        rowFormatter: (row) => { row.getElement().tabIndex = 0; },
      });
      const show = (row) => {
        const data = row.getData(), box = document.getElementById("row-detail");
        const title = document.createElement("p");
        title.textContent = `${data.op} of ${data.dtype}${data.way === "plain" ? "" : `, ${data.way}`}: ${data.family}/${data.case}`;
        box.replaceChildren(title, detail(table, data.i));
        box.hidden = false;
      };
      grid.on("rowClick", (_, row) => show(row));
      const drawn = document.getElementById("rows-table");
      drawn.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.matches(".tabulator-row")) show(grid.getRow(event.target)); });
      await new Promise((done) => { grid.on("tableBuilt", done); });
      // Tabulator's group of rows is not a child of its grid, but of the element that scrolls.
      drawn.removeAttribute("aria-owns");
      drawn.querySelector(".tabulator-tableholder").setAttribute("role", "rowgroup");
      drawn.querySelector(".tabulator-table").setAttribute("role", "presentation");
      document.getElementById("rows-csv").addEventListener("click", () => grid.download("csv", "questions.csv"));
      return { table, grid };
    })();
  }
  const { table, grid } = await opened;
  try {
    const good = compiled(query, table);
    grid.setFilter((row) => good(row.i));
    field.removeAttribute("aria-invalid");
    note.textContent = `${grid.getDataCount("active").toLocaleString("en")} of ${table.count.toLocaleString("en")} questions`;
  } catch (error) {
    if (!(error instanceof BadQuery)) throw error;
    field.setAttribute("aria-invalid", "true");
    note.textContent = error.message;
  }
}
