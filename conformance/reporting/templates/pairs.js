// Two targets side by side, from the table of questions; nothing of the page.

import { AXES, binned, edges, noNumber, terms } from "./errors.js";
import { age, closerOf, errorOf, NONFINITE, REJECTED, VIOLATION } from "./query.js";

/** What becomes of each question of an op and a dtype, of any where one is empty, that both were asked: their states and errors. */
export function* bothAsked(table, a, b, { op, dtype }) {
  const [mine, kind] = [table.op.indexOf(op), table.dtype.indexOf(dtype)];
  for (let i = 0; i < table.count; i += 1) {
    if ((op && table.numbers.op[i] !== mine) || (dtype && table.numbers.dtype[i] !== kind)) continue;
    const [j, k] = [a * table.count + i, b * table.count + i];
    if (table.state[j] < REJECTED || table.state[k] < REJECTED) continue;
    const both = table.bits[j] > 0 && table.bits[k] > 0, states = [table.state[j], table.state[k]];
    const over = [table.over[j], table.over[k]], ulp = [j, k].map((at) => errorOf(table.ulp[at])), none = over.map((code) => code === NONFINITE);
    yield { i, both, same: both && table.bits[j] === table.bits[k], states, over, ulp, none };
  }
}

/** What one of two targets alone was asked, or has: for A, then for B, how many questions, and of which ops in which dtypes. */
export function alone(table, a, b, { op, dtype }) {
  const [mine, kind] = [table.op.indexOf(op), table.dtype.indexOf(dtype)], found = [0, 1].map(() => ({ count: 0, places: new Set() }));
  for (let i = 0; i < table.count; i += 1) {
    if ((op && table.numbers.op[i] !== mine) || (dtype && table.numbers.dtype[i] !== kind)) continue;
    const asked = [a, b].map((j) => table.state[j * table.count + i] >= REJECTED);
    if (asked[0] === asked[1]) continue;
    const side = found[asked[0] ? 0 : 1];
    side.count += 1;
    side.places.add(`${table.op[table.numbers.op[i]]} in ${table.dtype[table.numbers.dtype[i]]}`);
  }
  return found.map(({ count, places }) => ({ count, places: [...places].sort() }));
}

/** The place of the target that a word means: its name, or, without a release, the newest of that name; −1 where there is none. */
export function named(targets, word) {
  const exact = targets.findIndex((target) => target.name === word);
  if (exact >= 0) return exact;
  const bare = ({ framework, variant, mode, device }) => `${framework}${variant && `:${variant}`}/${mode}/${device}`;
  return targets.reduce((best, target, j) => (bare(target) === word && (best < 0 || age(target.release, targets[best].release) > 0) ? j : best), -1);
}

/** Of each op and dtype: how many questions both answered, how many to the bit, whose answers are wrong, and whose are nearer to the truth. */
export function counts(table, a, b, where) {
  const found = new Map();
  for (const { i, both, same, states, over } of bothAsked(table, a, b, where)) {
    const op = table.op[table.numbers.op[i]], dtype = table.dtype[table.numbers.dtype[i]], key = `${op} ${dtype}`;
    const sum = found.get(key) ?? { op, dtype, answered: 0, same: 0, wrong: [0, 0], closer: [0, 0] };
    sum.answered += both;
    sum.same += same;
    for (const side of [0, 1]) {
      sum.wrong[side] += states[side] === VIOLATION;
      sum.closer[side] += closerOf(over[side], over[1 - side]);
    }
    found.set(key, sum);
  }
  return [...found.values()].sort((one, other) => (`${one.op} ${one.dtype}` < `${other.op} ${other.dtype}` ? -1 : 1));
}

/** Where the verdicts differ: how many questions of each pair of states, the most first. */
export function verdicts(table, a, b, where) {
  const found = new Map();
  for (const { states } of bothAsked(table, a, b, where)) {
    if (states[0] !== states[1]) found.set(states.join(), { states, count: (found.get(states.join())?.count ?? 0) + 1 });
  }
  return [...found.values()].sort((one, other) => other.count - one.count);
}

const ulpBin = (none, value) => (none ? noNumber(AXES.ulp) : binned(value, AXES.ulp));

/** Where the bits differ, the errors of both in ulp: of each bin of the two how many questions it holds, and one of them. */
export function joint(table, a, b, where) {
  const found = new Map();
  for (const { i, both, same, ulp, none } of bothAsked(table, a, b, where)) {
    if (!both || same) continue;
    if (ulp.some((value, side) => Number.isNaN(value) && !none[side])) continue;
    const [x, y] = ulp.map((value, side) => ulpBin(none[side], value)), cell = found.get(`${x} ${y}`) ?? { x, y, count: 0, worst: i, value: -1 };
    cell.count += 1;
    const value = Math.max(...ulp.filter((one) => !Number.isNaN(one)), -1);
    if (value > cell.value) Object.assign(cell, { worst: i, value });
    found.set(`${x} ${y}`, cell);
  }
  return [...found.values()];
}

/**
 * Where the bits differ and both errors are numbers, the quantiles of what does not depend on the lane: the errors over the bound, in ulp,
 * and how many ulp the two answers lie apart, at least and at most, in the lane where they do most. Each is not exceeded by such a share.
 */
export function apart(table, a, b, where, shares) {
  const columns = [[], [], [], [], [], []];
  for (const { both, same, over, ulp } of bothAsked(table, a, b, where)) {
    if (!both || same || !ulp.every(Number.isFinite)) continue;
    [...over.map(errorOf), ...ulp, Math.abs(ulp[0] - ulp[1]), ulp[0] + ulp[1]].forEach((value, k) => { if (!Number.isNaN(value)) columns[k].push(value); });
  }
  const sorted = columns.map((column) => Float64Array.from(column).sort());
  const of = (column, share) => column[Math.ceil(share * column.length) - 1];
  return { count: sorted[2].length, rows: shares.map((share) => sorted.map((column) => of(column, share))) };
}

/** The questions on which the two differ most: in state, then in ulp; one of each op, dtype and family. */
export function furthest(table, a, b, where, most) {
  const found = new Map();
  for (const { i, same, states, ulp } of bothAsked(table, a, b, where)) {
    const size = [Math.abs(states[0] - states[1]), same ? 0 : Math.abs(ulp[0] - ulp[1]) || 0];
    if (!size[0] && !size[1]) continue;
    const key = ["op", "dtype", "family"].map((name) => table.numbers[name][i]).join(), before = found.get(key);
    if (!before || size[0] > before.size[0] || (size[0] === before.size[0] && size[1] > before.size[1])) found.set(key, { i, states, ulp, size });
  }
  return [...found.values()].sort((one, other) => other.size[0] - one.size[0] || other.size[1] - one.size[1]).slice(0, most);
}

/** The query that means the questions of a cell of the joint errors. */
export function queryOfPair(table, a, b, { op, dtype }, cell) {
  const names = [a, b].map((j) => table.targets[j].name);
  const mine = [cell.x, cell.y].map((at, side) =>
    at === noNumber(AXES.ulp) ? `${names[side]}:nonfinite` : ["over>=0", ...terms("ulp", at)].map((term) => `${names[side]}:${term}`).join(" "));
  return [op && `op:${op}`, dtype && `dtype:${dtype}`, `differs(${names.join(", ")})`, ...mine].filter(Boolean).join(" ");
}

/** A bin of an error in words. */
export function spanned(at) {
  if (at === noNumber(AXES.ulp)) return "NaN or ±∞ where a number is right, or the reverse";
  const [above, upTo] = edges(at, AXES.ulp);
  if (above === null) return "no error";
  return upTo === null ? `above ${above} ulp` : `up to ${upTo} ulp`;
}
