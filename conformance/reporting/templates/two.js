// Two targets of the page side by side; the address keeps which: "#/?two=torch/eager/cpu|jax/jit/cpu|softmax|float32".

const SHARES = [["half of them", 0.5], ["90 %", 0.9], ["99 %", 0.99], ["all", 1]];

/** Fill the body of a table: a cell is a text, or [text, query], which is a link to the rows of the query, or to an address. */
function filled(id, rows) {
  const body = document.createElement("tbody");
  for (const cells of rows) {
    const row = body.insertRow();
    cells.forEach((told, k) => {
      const [text, query, kind] = Array.isArray(told) ? told : [told];
      const cell = k ? row.insertCell() : row.appendChild(Object.assign(document.createElement("th"), { scope: "row" }));
      if (kind) cell.className = kind;
      if (!query) { cell.textContent = text; return; }
      const link = document.createElement("a");
      link.href = query.startsWith("#") ? query : rowsAddress(query);
      link.textContent = text;
      cell.append(link);
    });
  }
  const table = document.getElementById(id);
  table.tBodies[0].replaceWith(body);
  table.closest("div").hidden = !rows.length;
}

const thousands = (count) => count.toLocaleString("en");

/** Errors in ulp, those of A against those of B, where the bits differ. */
function pairPicture(table, a, b, where, width) {
  const cells = joint(table, a, b, where), { low, step } = AXES.ulp, most = Math.max(...cells.map((cell) => cell.count));
  if (!cells.length) return "";
  const marks = ticks("ulp", 4), axis = (name) => ({
    domain: [low - 2 * step, noNumber(AXES.ulp)], label: `${name}: error in ulp`, labelArrow: "none", labelAnchor: "center",
    ticks: [...marks.keys()], tickFormat: (at) => marks.get(at), grid: true,
  });
  const size = Math.min(width, 620), rect = { x1: (cell) => cell.x - step, x2: "x", y1: (cell) => cell.y - step, y2: "y", inset: 0.25 };
  const tip = (cell) => [`A: ${spanned(cell.x)}`, `B: ${spanned(cell.y)}`, `${thousands(cell.count)} questions`,
    `one: ${table.family[table.numbers.family[cell.worst]]}/${table.case[table.numbers.case[cell.worst]]}`].join("\n");
  const plot = Plot.plot({
    width: size, height: size * 0.85, marginLeft: 92, marginBottom: 48, style: { fontSize: "12px" },
    ariaLabel: "errors of A against errors of B, where their bits differ", x: { ...axis("A"), labelOffset: 44 }, y: { ...axis("B"), labelOffset: 88 }, fillOpacity: { type: "identity" },
    marks: [
      Plot.frame({ stroke: "currentColor", strokeOpacity: 0.25 }),
      Plot.rect(cells, { ...rect, fill: "var(--link)", fillOpacity: (cell) => 0.15 + 0.85 * Math.sqrt(cell.count / most) }),
      Plot.line([[low - 2 * step, low - 2 * step], [noNumber(AXES.ulp), noNumber(AXES.ulp)]], { stroke: "currentColor", strokeDasharray: "3,3" }),
      Plot.tip(cells, Plot.pointer({ x: (cell) => cell.x - step / 2, y: (cell) => cell.y - step / 2, title: tip, ...TIP })),
    ],
  });
  plot.addEventListener("click", (event) => {
    if (plot.value && event.pointerType !== "touch") location.hash = rowsAddress(queryOfPair(table, a, b, where, plot.value));
  });
  return imaged(plot);
}

/** The policies of two targets that differ, from the table of policies that the page has. */
function policiesOf(names) {
  const table = document.getElementById("policy-table");
  const rows = names.map((name) => [...(table?.tBodies[0].rows ?? [])].find((row) => row.cells[0].textContent === name));
  if (!rows.every(Boolean)) return [];
  const heads = [...table.tHead.rows[0].cells].map((cell) => cell.firstChild.textContent);
  const answers = rows.map((row) => [...row.cells].map((cell) => cell.textContent.replace("≠", "").replace("inconsistent", "").trim()));
  return heads.map((head, k) => [head, answers[0][k], answers[1][k]]).slice(1).filter(([, one, other]) => one !== other && one !== "–" && other !== "–");
}

/** The faults that touch one of two targets, in the op and the dtype that are chosen: title, address, and which of the two. */
function faultsOf(names, { op, dtype }) {
  return lines.filter((line) => matches(line.dataset, { op, dtype }, "")).map((line) => {
    const cells = JSON.parse(line.dataset.cell), state = line.classList.contains("violation") ? 5 : 4;
    const sides = names.map((name) => (cells.some((cell) => cell.startsWith(`${name}: `)) ? SIGNS[state] : ""));
    return { title: `${line.dataset.framework}: ${line.querySelector(".title").textContent}`, fault: line.dataset.fault, sides };
  }).filter(({ sides }) => sides[0] || sides[1]);
}

/** Say of each side what it alone was asked, or has. */
function saidAlone(table, a, b, where) {
  const said = alone(table, a, b, where).map(({ count, places }, side) => {
    if (!count) return "";
    const listed = places.slice(0, 4).join(", ") + (places.length > 4 ? ` and ${places.length - 4} more` : "");
    return `${"AB"[side]} alone was asked, or supports, ${thousands(count)} questions: ${listed}.`;
  }).filter(Boolean).join(" ");
  document.getElementById("two-alone").textContent = said;
  document.getElementById("two-alone").hidden = !said;
}

let compared = "";

/** Draw what the address names, or the first two targets, if it is not drawn yet. */
async function drawTwo() {
  const table = await questions(), form = document.getElementById("two-form"), names = table.targets.map((target) => target.name);
  const values = { a: names, b: names, op: ["", ...table.op], dtype: ["", ...table.dtype] }, chosen = (parsed(location.hash).filters.two ?? "").split("|");
  const unknown = [];
  Object.keys(values).forEach((name, at) => {
    const field = form.elements[name], word = chosen[at] ?? "", place = at < 2 ? named(table.targets, word) : values[name].indexOf(word);
    if (!field.length) field.append(...values[name].map((value) => new Option(value || `any ${name}`, value)));
    field.value = values[name][place >= 0 ? place : name === "b" ? Math.min(1, names.length - 1) : 0];
    if (place < 0 && word) unknown.push(`this report holds no ${at < 2 ? "target" : name} “${word}”; shown is ${field.value || `any ${name}`}`);
  });
  document.getElementById("two-unknown").textContent = unknown.join(". ");
  document.getElementById("two-unknown").hidden = !unknown.length;
  const given = Object.fromEntries(new FormData(form)), width = document.getElementById("two-figure").parentElement.clientWidth;
  const wanted = JSON.stringify([given, width]);
  if (wanted === compared || !width) return;
  compared = wanted;
  const [a, b] = [names.indexOf(given.a), names.indexOf(given.b)], where = { op: given.op, dtype: given.dtype };
  const sums = counts(table, a, b, where), of = (pick) => sums.reduce((sum, one) => sum + pick(one), 0);
  const answered = of((one) => one.answered), same = of((one) => one.same);
  document.getElementById("two-said").textContent = !answered ? "No question was answered by both."
    : `Both answered ${thousands(answered)} questions, ${thousands(same)} of them (${Math.floor((1000 * same) / answered) / 10} %) with the same bits. Wrong are ${thousands(of((one) => one.wrong[0]))} answers of A and ${thousands(of((one) => one.wrong[1]))} of B.`;
  saidAlone(table, a, b, where);
  for (const head of document.querySelectorAll("#two th[data-side]")) head.textContent = given[head.dataset.side];
  filled("two-faults", faultsOf([given.a, given.b], where).map(({ title, fault, sides }) => [[title, `#/fault/${fault}`], ...sides]));
  filled("two-counts", sums.filter((one) => one.answered || one.wrong[0] || one.wrong[1]).map((one) => {
    const asked = `op:${one.op} dtype:${one.dtype}`, linked = (count, query) => [thousands(count), count ? `${asked} ${query}` : "", "n"];
    return [`${one.op} ${one.dtype}`, [thousands(one.answered), "", "n"], linked(one.answered - one.same, `differs(${given.a}, ${given.b})`),
      linked(one.wrong[0], `${given.a}:violation`), linked(one.wrong[1], `${given.b}:violation`),
      linked(one.closer[0], `closer(${given.a}, ${given.b})`), linked(one.closer[1], `closer(${given.b}, ${given.a})`)];
  }));
  const here = [where.op && `op:${where.op}`, where.dtype && `dtype:${where.dtype}`].filter(Boolean);
  filled("two-verdicts", verdicts(table, a, b, where).map(({ states, count }) => {
    const [one, other] = states.map((state) => table.states[state]);
    return [`${SIGNS[states[0]]} ${one}`, `${SIGNS[states[1]]} ${other}`, [thousands(count), [...here, `${given.a}:${one}`, `${given.b}:${other}`].join(" "), "n"]];
  }));
  const far = apart(table, a, b, where, SHARES.map(([, share]) => share));
  document.getElementById("two-apart-of").textContent = thousands(far.count);
  filled("two-apart", far.count ? SHARES.map(([name], k) => [name, ...far.rows[k].map((value) => [sized(Number(value.toPrecision(2))), "", "n"])]) : []);
  document.getElementById("two-figure").lastElementChild.replaceChildren(pairPicture(table, a, b, where, width));
  document.getElementById("two-figure").hidden = !far.count;
  filled("two-policies", policiesOf([given.a, given.b]));
  filled("two-furthest", furthest(table, a, b, where, 12).map(({ i, states, ulp }) => {
    const [op, dtype, family, way, name] = COLUMNS.map((column) => table[column][table.numbers[column][i]]);
    const shown = (side) => `${SIGNS[states[side]]} ${table.states[states[side]]}${Number.isNaN(ulp[side]) ? "" : `, ${sized(ulp[side])} ulp`}`;
    return [[`${op} ${dtype}${way === "plain" ? "" : `, ${way}`}: ${family}/${name}`, `op:${op} dtype:${dtype} family:${family} way:${way} "case:${name}"`], shown(0), shown(1)];
  }));
}
