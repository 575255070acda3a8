// node --test tests/reporting/pairs.test.mjs
import assert from "node:assert/strict";
import test from "node:test";
import { gunzipSync } from "node:zlib";

import { apart, counts, furthest, joint, queryOfPair, spanned, verdicts } from "../../conformance/reporting/templates/pairs.js";
import { compiled, unpacked } from "../../conformance/reporting/templates/query.js";

const { data, due } = JSON.parse(process.env.PACKED);
const table = unpacked(new Uint8Array(gunzipSync(Buffer.from(data, "base64"))).buffer);
const rowsOf = (query) => Array.from({ length: table.count }, (_, i) => i).filter(compiled(query, table));
const EVERY = { op: "", dtype: "" };

for (const one of due) {
  const [a, b] = [one.a, one.b].map((name) => table.targets.findIndex((target) => target.name === name));
  test(`${one.a} and ${one.b} are compared as pandas does it`, () => {
    assert.deepEqual(counts(table, a, b, EVERY).map(({ op, dtype, answered, same, wrong, closer }) => [op, dtype, answered, same, ...wrong, ...closer]), one.counts);
    const found = verdicts(table, a, b, EVERY).map(({ states, count }) => [...states.map((state) => table.states[state]), count]);
    assert.deepEqual(found.sort(), one.verdicts.sort());
  });
  test(`a figure about ${one.a} and ${one.b} leads to the rows that it counts`, () => {
    for (const { op, dtype, answered, same, wrong, closer } of counts(table, a, b, EVERY)) {
      const here = `op:${op} dtype:${dtype}`;
      assert.equal(rowsOf(`${here} differs(${one.a}, ${one.b})`).length, answered - same);
      assert.equal(rowsOf(`${here} closer(${one.a}, ${one.b})`).length, closer[0]);
      assert.equal(rowsOf(`${here} ${one.b}:violation`).length >= wrong[1], true);
      for (const cell of joint(table, a, b, { op, dtype })) {
        const listed = rowsOf(queryOfPair(table, a, b, { op, dtype }, cell));
        assert.ok(listed.includes(cell.worst), spanned(cell.x));
        assert.equal(listed.length, cell.count, queryOfPair(table, a, b, { op, dtype }, cell));
      }
    }
  });
  test(`${one.a} and ${one.b} lie apart by what their errors say`, () => {
    const { count, rows } = apart(table, a, b, EVERY, [0.5, 1]);
    for (const [half, all] of count ? rows[0].map((value, k) => [value, rows[1][k]]) : []) assert.ok(half <= all);
    for (const [overA, overB, ulpA, ulpB, least, most] of count ? [rows[1]] : []) assert.ok(most <= ulpA + ulpB && least <= most && overA >= 0 && overB >= 0);
    const worst = furthest(table, a, b, EVERY, 5).map(({ size }) => size[0]);
    assert.deepEqual(worst, [...worst].sort((one, other) => other - one));
  });
}
