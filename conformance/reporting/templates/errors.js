// How the errors of answers are distributed over bins of powers of two; nothing of the page.

import { age, errorOf, NONFINITE } from "./query.js";

/** What may cause an error, and an error: the exponents of the lowest and the highest edge of its bins, and their width. */
export const AXES = {
  gap: { low: -10, high: 12, step: 2 },
  n: { low: 0, high: 18, step: 1 },
  over: { low: -8, high: 12, step: 1 },
  ulp: { low: -8, high: 15, step: 1 },
};

/** The bin of a number, by the exponent of its upper edge, which is its own; below the lowest is that of 0, above the highest that of the rest. */
export function binned(value, { low, high, step }) {
  if (value === 0) return low - step;
  const place = low + step * Math.ceil((Math.log2(value) - low) / step);
  return Math.min(Math.max(place, low), high + step);
}

/** The bin of an answer that is no number where a number is right, or the reverse. */
export const noNumber = ({ high, step }) => high + 2 * step;

/** The numbers of a bin, as [above, up to]; null where there is no such edge. */
export function edges(place, { low, high, step }) {
  if (place < low) return [null, 0];
  return [place === low ? 0 : 2 ** (place - step), place > high ? null : 2 ** place];
}

/** The terms of a query that mean a bin. */
export function terms(name, place) {
  const [above, upTo] = edges(place, AXES[name]);
  return [above === null ? "" : `>${above}`, upTo === null ? "" : `<=${upTo}`].filter(Boolean).map((text) => name + text);
}

/** The places of a target's answers to an op in a dtype that have an error: a number, or none where one is right. */
function* answers(table, j, { op, dtype }) {
  const [mine, kind] = [table.op.indexOf(op), table.dtype.indexOf(dtype)];
  for (let i = 0; i < table.count; i += 1) {
    if (table.numbers.op[i] !== mine || table.numbers.dtype[i] !== kind) continue;
    const at = j * table.count + i;
    if (!table.bits[at]) continue;
    const over = errorOf(table.over[at]), none = table.over[at] === NONFINITE;
    if (none || !Number.isNaN(over)) yield { i, none, over, ulp: errorOf(table.ulp[at]) };
  }
}

/**
 * How an error of a target is distributed against its cause: of each bin of the two that holds an answer its place (x, y), how
 * many answers it holds and how many its column does, how many are beyond the bound, and the question of the worst.
 */
export function distribution(table, j, where, cause, error) {
  const cells = new Map(), columns = new Map();
  for (const answer of answers(table, j, where)) {
    const { i, none, over, [error]: value } = answer;
    if (Number.isNaN(table[cause][i]) || (Number.isNaN(value) && !none)) continue;
    const x = binned(table[cause][i], AXES[cause]), y = none ? noNumber(AXES[error]) : binned(value, AXES[error]);
    const cell = cells.get(`${x} ${y}`) ?? { j, x, y, count: 0, beyond: 0, worst: i, value };
    cell.count += 1;
    cell.beyond += none || over > 1;
    if (value > cell.value) Object.assign(cell, { worst: i, value });
    cells.set(`${x} ${y}`, cell);
    columns.set(x, { total: (columns.get(x)?.total ?? 0) + 1, top: Math.max(columns.get(x)?.top ?? -Infinity, y) });
  }
  return [...cells.values()].map((cell) => ({ ...cell, of: columns.get(cell.x).total, top: columns.get(cell.x).top === cell.y }));
}

/** The query that means the answers of a cell of a distribution. */
export function queryOf(table, cell, { op, dtype }, cause, error) {
  const name = table.targets[cell.j].name;
  const mine = cell.y === noNumber(AXES[error]) ? [`${name}:nonfinite`] : terms(error, cell.y).map((term) => `${name}:${term}`);
  return [`op:${op} dtype:${dtype}`, ...terms(cause, cell.x), ...mine].join(" ");
}

/** Of a target's answers to an op in a dtype: how many, how many beyond the bound, how many no number, and the largest errors. */
export function totals(table, j, where) {
  const found = { j, answers: 0, beyond: 0, none: 0, over: NaN, ulp: NaN };
  for (const { none, over, ulp } of answers(table, j, where)) {
    found.answers += 1;
    found.beyond += over > 1;
    found.none += none;
    if (!(found.over >= over) && !none) found.over = over;
    if (!(found.ulp >= ulp) && !Number.isNaN(ulp)) found.ulp = ulp;
  }
  return found;
}

/** Groups of targets to look at together: every framework in its first mode and last release, and each release of each. */
export function groups(targets) {
  const found = new Map([["every framework", []]]), firsts = new Map();
  targets.forEach((target, j) => {
    const subject = target.variant ? `${target.framework}:${target.variant}` : target.framework, name = `${subject} ${target.release}`.trim();
    found.set(name, [...(found.get(name) ?? []), j]);
    const place = `${subject}/${target.device}`, first = firsts.get(place);
    if (first === undefined || age(target.release, targets[first].release) > 0) firsts.set(place, j);
  });
  found.set("every framework", [...firsts.values()]);
  return found;
}
