// The pictures of errors: drawn of the table of questions, by Observable Plot.

const CAUSED = { gap: "the logit gap, max x − min x", n: "the length of a row, n" };
const ERRED = { over: "error ÷ bound", ulp: "error in ulp" };
const PER = { over: " × the bound", ulp: " ulp" };
const LEAST = 160;  // pixels of a panel
const TIP = { fontSize: 12, lineHeight: 1.25, lineWidth: 28 };

const legible = (value) => (value >= 1 || value === 0 ? value.toLocaleString("en") : value < 1e-4 ? value.toPrecision(1) : `1/${Math.round(1 / value)}`);

function range(name, place) {
  const [above, upTo] = edges(place, AXES[name]);
  if (above === null) return "0";
  if (upTo === null) return `above ${legible(above)}`;
  return above ? `above ${legible(above)}, up to ${legible(upTo)}` : `up to ${legible(upTo)}`;
}

function said(table, cell, cause, error) {
  const none = cell.y === noNumber(AXES[error]), i = cell.worst;
  const percent = ((100 * cell.count) / cell.of).toPrecision(2);
  return [
    table.targets[cell.j].name,
    `${cause === "gap" ? "gap" : "n"} ${range(cause, cell.x)}`,
    none ? "NaN or ±∞ where a number is right" : cell.y < AXES[error].low ? "no error at all" : `error ${range(error, cell.y)}${PER[error]}`,
    `${cell.count.toLocaleString("en")} of ${cell.of.toLocaleString("en")} answers (${percent} %)`,
    error === "ulp" && cell.beyond ? `${cell.beyond.toLocaleString("en")} of them beyond the bound` : "",
    `${none ? "one" : "the worst"}: ${table.family[table.numbers.family[i]]}/${table.case[table.numbers.case[i]]}${none ? "" : `, ${sized(cell.value)}${PER[error]}`}`,
  ].filter(Boolean).join("\n");
}

/** The ticks of an axis, by place, with a text each. */
function ticks(name, every) {
  const { low, high, step } = AXES[name], found = new Map();
  const top = CAUSED[name] ? high : high - every;  // above it is no room
  for (let place = top; place > low + 1; place -= every) found.set(place, place > 9 ? `${2 ** (place - 10)}k` : legible(2 ** place));
  if (name !== "n") found.set(low - 1.5 * step, name === "gap" ? "0" : "no error");
  if (name === "over" || name === "ulp") found.set(high + 1.5 * step, "no number");
  return found;
}

/** Makes a plot one image for who does not see it; Plot names the parts inside, which have no role to have a name. */
function imaged(plot) {
  plot.setAttribute("role", "img");
  for (const group of plot.querySelectorAll("[aria-label]")) {
    group.dataset.mark = group.getAttribute("aria-label");
    group.removeAttribute("aria-label");
  }
  return plot;
}

function picture(table, targets, where, cause, error, width) {
  const columns = Math.max(1, Math.min(targets.length, Math.floor((width - 100) / LEAST))), rows = Math.ceil(targets.length / columns);
  const cells = targets.flatMap((j, place) => distribution(table, j, where, cause, error).map((cell) => ({ ...cell, place })));
  const panel = { fx: (cell) => cell.place % columns, fy: (cell) => Math.floor(cell.place / columns) };
  const rect = {
    ...panel, x1: (cell) => cell.x - AXES[cause].step, x2: "x", y1: (cell) => cell.y - AXES[error].step, y2: "y", inset: 0.25,
    fill: (cell) => (cell.beyond ? "var(--bad)" : "var(--link)"), fillOpacity: (cell) => (cell.beyond ? 0.45 : 0.15) + (cell.beyond ? 0.55 : 0.85) * Math.sqrt(cell.count / cell.of),
  };
  const x = AXES[cause], y = AXES[error], xs = ticks(cause, cause === "gap" ? 6 : 4), ys = ticks(error, 4);
  const plot = Plot.plot({
    width, height: 60 + 220 * rows, marginTop: 24, marginLeft: 92, marginBottom: 40, style: { fontSize: "12px" },
    ariaLabel: `${ERRED[error]} against ${CAUSED[cause]}, ${where.op} of ${where.dtype}`,
    x: { domain: [cause === "n" ? x.low - x.step : x.low - 2 * x.step, x.high + x.step], label: CAUSED[cause], labelArrow: "none", ticks: [...xs.keys()], tickFormat: (place) => xs.get(place) },
    y: { domain: [y.low - 2 * y.step, noNumber(y)], label: ERRED[error], labelAnchor: "center", labelArrow: "none", labelOffset: 88, ticks: [...ys.keys()], tickFormat: (place) => ys.get(place), grid: true },
    fx: { axis: null, padding: 0.06 }, fy: { axis: null, padding: 0.2 }, fillOpacity: { type: "identity" },
    marks: [
      Plot.frame({ stroke: "currentColor", strokeOpacity: 0.25 }),
      Plot.rect(cells, rect),
      Plot.rect(cells.filter((cell) => cell.top), { ...rect, fill: "none", fillOpacity: 1, stroke: "currentColor", strokeWidth: 1.25 }),
      Plot.ruleY([error === "over" ? 0 : -1], { stroke: "currentColor", strokeDasharray: error === "over" ? "none" : "3,3", strokeWidth: 1.25 }),
      Plot.text(targets, { fx: (_, i) => i % columns, fy: (_, i) => Math.floor(i / columns), text: (j) => table.targets[j].name, frameAnchor: "top-left", dy: -14, dx: 1 }),
      Plot.tip(cells, Plot.pointer({ ...panel, x: (cell) => cell.x - x.step / 2, y: (cell) => cell.y - y.step / 2, title: (cell) => said(table, cell, cause, error), ...TIP })),
    ],
  });
  plot.addEventListener("click", (event) => {
    // A finger has no other way to see what a cell says than to touch it.
    if (plot.value && event.pointerType !== "touch") location.hash = rowsAddress(queryOf(table, plot.value, where, cause, error));
  });
  return imaged(plot);
}

/** The address of the page as it is, with the rows of a query. */
function rowsAddress(query) {
  return `#/?${new URLSearchParams({ ...parsed(location.hash).filters, rows: query })}`;
}

/** The same as text, each figure a link to its rows. */
function summed(table, targets, where) {
  const body = document.createElement("tbody");
  for (const { j, answers, beyond, none, over, ulp } of targets.map((each) => totals(table, each, where))) {
    const row = body.insertRow(), name = table.targets[j].name, asked = `op:${where.op} dtype:${where.dtype}`;
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    row.append(head);
    const cells = [
      [answers, ""], [beyond, `${name}:over>1`], [none, `${name}:nonfinite`],
      [over, over < Infinity ? `${name}:over>=${over}` : `${name}:over>1e19`], [ulp, ulp < Infinity ? `${name}:ulp>=${ulp}` : `${name}:ulp>1e19`],
    ];
    cells.forEach(([value, query], place) => {
      const cell = row.insertCell(), text = place < 3 ? value.toLocaleString("en") : sized(value);
      cell.className = "n";
      if (!query || !value) { cell.textContent = text; return; }
      const link = document.createElement("a");
      link.href = rowsAddress(`${asked} ${query}`);
      link.textContent = text;
      cell.append(link);
    });
  }
  return body;
}

let drawn = "";

/** Draw what the form of the pictures and the address name, if it is not drawn yet. */
async function drawErrors() {
  const table = await questions(), form = document.getElementById("errors-form"), { filters } = parsed(location.hash);
  const grouped = groups(table.targets);
  const values = { whose: [...grouped.keys()], op: table.op, dtype: table.dtype }, chosen = (filters.errors ?? "|softmax|float32").split("|");
  Object.keys(values).forEach((name, place) => {
    const field = form.elements[name];
    if (!field.length) field.append(...values[name].map((value) => new Option(value, value)));
    field.value = values[name].includes(chosen[place]) ? chosen[place] : values[name][0];
  });
  const { whose, ...where } = Object.fromEntries(new FormData(form)), figures = document.getElementById("errors-figures");
  const wanted = JSON.stringify([whose, where, figures.clientWidth]);
  if (wanted === drawn || !figures.clientWidth) return;
  drawn = wanted;
  const targets = grouped.get(whose) ?? [];
  document.querySelector("#errors-totals tbody").replaceWith(summed(table, targets, where));
  for (const figure of figures.children)
    figure.lastElementChild.replaceChildren(picture(table, targets, where, figure.dataset.cause, figure.dataset.error, figure.clientWidth));
}

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const power = (exponent) => `2${[...String(exponent)].map((sign) => RAISED[sign]).join("")}`;

/** The picture of one row lane by lane: its logits, and below them the truth, the error that is allowed and the one that is known. */
function drawLanes(figure) {
  const box = figure.children[1];
  if (box.firstChild) return;
  figure.hidden = false;
  const told = JSON.parse(figure.lastElementChild.textContent), width = Math.min(figure.clientWidth || 640, 760), at = told.lane.indexOf(told.at);
  const rows = told.lane.map((lane, i) => ({ lane, x: told.x[i], truth: told.truth[i], bound: told.bound[i] }));
  const sizes = [...rows.flatMap(({ truth, bound }) => [truth, bound]), told.error].filter((size) => size).map((size) => Math.log2(Math.abs(size)));
  const low = Math.floor(Math.min(-1, ...sizes)), high = Math.ceil(Math.max(1, ...sizes)), step = Math.max(1, Math.ceil((high - low) / 6));
  const floor = low - step, rim = high + step, log = (size) => (size === null ? rim : size === 0 ? floor : Math.log2(Math.abs(size)));
  const across = { domain: [-0.5, told.n - 0.5], label: "lane", labelArrow: "none", tickFormat: told.n > 9999 ? "~s" : "d", ticks: width < 500 ? Math.min(told.n, 4) : told.n < 9 ? told.n : 8 };
  const names = new Map([[floor, "0"], [rim, "NaN, ±∞"]]);
  for (let place = low; place <= high; place += step) names.set(place, power(place));
  const size = told.n <= 40 ? 4 : 2, common = { width, marginLeft: 92, style: { fontSize: "12px" }, x: across };
  const dots = (channel, fill, symbol) => Plot.dot(rows, { x: "lane", y: (row) => log(row[channel]), r: size, fill, symbol });
  const finite = rows.filter((row) => typeof row.x === "number"), others = rows.filter((row) => typeof row.x !== "number");
  const large = (logit) => (Math.abs(logit) < 1e6 ? String(logit) : logit.toExponential());
  const marked = at < 0 ? [] : [Plot.ruleX([told.at], { stroke: "var(--bad)", strokeOpacity: 0.35 })];
  const lane = (row) => [`lane ${row.lane}`, `logit ${row.x}`, `right is ${row.truth ?? "not finite"}`, `allowed error ${row.bound ?? "is not finite"}`,
    row.lane === told.at ? `answer ${told.got}` : "answer not kept"].join("\n");
  const plots = [
    Plot.plot({ ...common, height: 170, ariaLabel: "logits of the row", y: { label: "logit", labelAnchor: "center", labelArrow: "none", labelOffset: 88, grid: true, nice: true, tickFormat: large },
      marks: [...marked, Plot.text(others, { x: "lane", text: "x", frameAnchor: "top", fontSize: 12 }), Plot.dot(finite, { x: "lane", y: "x", r: size, fill: "currentColor" }), Plot.tip(finite, Plot.pointerX({ x: "lane", y: "x", title: lane, ...TIP }))] }),
    Plot.plot({ ...common, height: 260, ariaLabel: "truth, allowed error and known error of each lane",
      y: { domain: [floor - step / 2, rim + step / 2], label: "size", labelAnchor: "center", labelArrow: "none", labelOffset: 88, grid: true, ticks: [...names.keys()], tickFormat: (place) => names.get(place) },
      marks: [...marked, Plot.ruleX(rows.filter((row) => row.bound !== null), { x: "lane", y1: floor - step / 2, y2: (row) => log(row.bound), stroke: "var(--link)", strokeOpacity: 0.35, strokeWidth: Math.max(1, Math.min(14, (width - 120) / rows.length - 1)) }),
        dots("truth", "currentColor", "circle"),
        ...(at < 0 ? [] : [Plot.dot([log(told.error)], { x: told.at, y: (place) => place, symbol: "times", stroke: "var(--bad)", strokeWidth: 2.5, r: 6 })]),
        Plot.tip(rows, Plot.pointerX({ x: "lane", y: (row) => log(row.truth), title: lane, ...TIP }))] }),
  ];
  box.append(...plots.map(imaged));
  const less = told.lane.length < told.n ? ` ${told.lane.length.toLocaleString("en")} of ${told.n.toLocaleString("en")} lanes are drawn: the largest and the smallest logit of equal stretches.` : "";
  figure.firstElementChild.textContent = `The row lane by lane. Above its logits; below how large the right answers are (dots) and the error that a good algorithm may make (bars)${
    at < 0 ? "; what is wrong is the sum of all answers, and the record keeps no answer of a lane." : `, and the error of lane ${told.at} (cross), whose answer is ${told.got}. The record keeps no answer of the other lanes, so their errors are not known.`}${less}`;
}
