// node --test tests/reporting/errors.test.mjs
import assert from "node:assert/strict";
import test from "node:test";
import { gunzipSync } from "node:zlib";

import { AXES, binned, distribution, edges, groups, noNumber, queryOf, terms, totals } from "../../conformance/reporting/templates/errors.js";
import { compiled, unpacked } from "../../conformance/reporting/templates/query.js";

test("a bin holds its upper edge, and the ends hold the rest", () => {
  for (const [name, value, place] of [
    ["over", 1, 0], ["over", 1.0009765625, 1], ["over", 2, 1], ["over", 0.5, -1], ["over", 0, -9], ["over", 2 ** -8, -8], ["over", 2 ** -30, -8],
    ["over", 4096, 12], ["over", 4097, 13], ["over", Infinity, 13], ["n", 1, 0], ["n", 1024, 10], ["n", 1025, 11], ["gap", 4, 2], ["gap", 4.5, 4], ["gap", 17, 6],
  ]) assert.equal(binned(value, AXES[name]), place, `${name} ${value}`);
});

test("the terms of a bin mean what it holds", () => {
  for (const [name, axis] of Object.entries(AXES)) {
    for (const value of [0, 2 ** -24, 0.3, 1, 1.5, 3, 1000, 1024, 1025, 60000, Infinity]) {
      for (let place = axis.low - axis.step; place <= axis.high + axis.step; place += axis.step) {
        const [above, upTo] = edges(place, axis);
        const inside = (above === null || value > above) && (upTo === null || value <= upTo);
        assert.equal(inside, binned(value, axis) === place, `${name} ${value} ${place}`);
      }
    }
  }
  assert.deepEqual(terms("n", 10), ["n>512", "n<=1024"]);
  assert.deepEqual(terms("over", AXES.over.low - 1), ["over<=0"]);
});

test("targets are looked at by release, and every framework in its last one", () => {
  const target = (framework, release, mode, more = {}) => ({ framework, release, mode, variant: "", device: "cpu", ...more });
  const found = groups([
    target("torch", "2.9", "eager"), target("torch", "2.10", "eager"), target("torch", "2.10", "compile"), target("jax", "0.4", "jit"),
    target("tensorflow", "2", "eager", { variant: "off" }), target("jax", "0.4", "jit", { device: "cuda:0" }),
  ]);
  assert.deepEqual([...found], [
    ["every framework", [1, 3, 4, 5]], ["torch 2.9", [0]], ["torch 2.10", [1, 2]], ["jax 0.4", [3, 5]], ["tensorflow:off 2", [4]],
  ]);
});

test("pictures of what Python has packed say what Python counts, and their queries find it", () => {
  const { data, due } = JSON.parse(process.env.PACKED ?? "null") ?? {};
  if (!data) return;
  const bytes = gunzipSync(Buffer.from(data, "base64"));
  const table = unpacked(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const names = table.targets.map((target) => target.name);
  for (const { target, op, dtype, cells, ...told } of due) {
    const j = names.indexOf(target), sum = totals(table, j, { op, dtype });
    assert.deepEqual([sum.answers, sum.beyond, sum.none], [told.answers, told.beyond, told.none], target);
    for (const [key, counts] of Object.entries(cells)) {
      const [cause, error] = key.split(" "), found = distribution(table, j, { op, dtype }, cause, error);
      assert.deepEqual(Object.fromEntries(found.map(({ x, y, count }) => [`${x} ${y === noNumber(AXES[error]) ? "none" : y}`, count])), counts, `${target} ${key}`);
      for (const cell of found) {
        const good = compiled(queryOf(table, cell, { op, dtype }, cause, error), table), rows = [...Array(table.count).keys()].filter(good);
        assert.equal(rows.length, cell.count, queryOf(table, cell, { op, dtype }, cause, error));
        assert.ok(rows.includes(cell.worst));
      }
      const tops = new Map();
      for (const { x, y } of found) tops.set(x, Math.max(tops.get(x) ?? -Infinity, y));
      assert.ok(found.every((cell) => cell.top === (tops.get(cell.x) === cell.y)));
    }
  }
});
