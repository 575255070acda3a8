"use strict";
const [grades, names, cells] = JSON.parse(document.getElementById("cells").textContent);
const op = document.getElementById("op"), dtype = document.getElementById("dtype"), controls = document.getElementById("controls");
const note = document.getElementById("filtered");
document.getElementById("filters").hidden = false;

function paint() {
  const worst = new Map();
  for (const [t, f, i, j, grade, cases, violations, missing] of cells) {
    const target = names[0][t], family = names[1][f], o = names[2][i], d = names[3][j];
    if ((op.value && o !== op.value) || (dtype.value && d !== dtype.value)) continue;
    const key = JSON.stringify([target, family]), seen = worst.get(key) ?? { grade: -1, cases: 0, violations: 0, missing: 0 };
    worst.set(key, { grade: Math.max(seen.grade, grade), cases: seen.cases + cases, violations: seen.violations + violations, missing: seen.missing + missing });
  }
  for (const td of document.querySelectorAll("#matrix td")) {
    const cell = worst.get(JSON.stringify([td.dataset.target, td.dataset.family])), a = td.firstElementChild;
    const grade = cell && cell.grade >= 0 ? grades[cell.grade] : "";
    const unknown = !op.value && !dtype.value && a.textContent.includes("!") || td.dataset.unknown === "1";
    if (unknown) td.dataset.unknown = "1";
    td.dataset.grade = grade;
    a.className = grade || "nothing";
    a.title = cell ? `${grade || "not answered"}; ${cell.violations} of ${cell.cases} rows violated${cell.missing ? `, ${cell.missing} NOT ASKED` : ""}` : "not asked";
    a.setAttribute("aria-label", `${td.dataset.target}, ${td.dataset.family}: ${a.title}`);
    a.replaceChildren();
    const letter = document.createElement("b");
    letter.textContent = grade ? grade[0].toUpperCase() : "–";
    a.append(letter);
    if (cell && cell.violations) {
      const count = document.createElement("small");
      count.textContent = ` ${cell.violations}${unknown ? " !" : ""}`;
      a.append(count);
    }
    if (cell && cell.missing) {
      const mark = document.createElement("small");
      mark.textContent = " ?";
      a.append(mark);
    }
  }
  for (const row of document.querySelectorAll("#matrix tr.control")) row.hidden = !controls.checked;
  filter();
}

let chosen = null;
function filter() {
  let shown = 0;
  const all = document.querySelectorAll("details.finding[data-target]");
  for (const card of all) {
    const d = card.dataset;
    const has = (list, name) => JSON.parse(list).includes(name);
    card.hidden = (op.value && !has(d.op, op.value)) || (dtype.value && !has(d.dtype, dtype.value)) ||
      (chosen && (!has(d.target, chosen.target) || !has(d.family, chosen.family)));
    shown += !card.hidden;
    if (chosen && !card.hidden && card.parentElement.tagName === "DETAILS") card.parentElement.open = true;
  }
  note.hidden = !(chosen || op.value || dtype.value);
  note.textContent = `${shown} of ${all.length} findings` + (chosen ? ` for ${chosen.target}, ${chosen.family} ` : " ");
  const reset = document.createElement("button");
  reset.type = "button";
  reset.textContent = "show all";
  reset.addEventListener("click", () => { chosen = null; op.value = dtype.value = ""; paint(); });
  note.append(reset);
}

for (const control of [op, dtype, controls]) control.addEventListener("change", paint);
for (const td of document.querySelectorAll("#matrix td"))
  td.firstElementChild.addEventListener("click", () => { chosen = { target: td.dataset.target, family: td.dataset.family }; filter(); });
for (const button of document.querySelectorAll("button.copy"))
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.nextElementSibling.textContent);
    button.textContent = "copied";
  });
