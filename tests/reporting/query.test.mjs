// node --test tests/reporting/query.test.mjs
import assert from "node:assert/strict";
import test from "node:test";

import { gunzipSync } from "node:zlib";

import { age, BadQuery, compiled, errorOf, matches, parsed, unpacked } from "../../conformance/reporting/templates/query.js";

test("an address is a fault or filters", () => {
  assert.deepEqual(parsed("#/fault/jax-one"), { fault: "jax-one", filters: {} });
  assert.deepEqual(parsed("#/?framework=torch&dtype=bfloat16"), { fault: "", filters: { framework: "torch", dtype: "bfloat16" } });
  assert.deepEqual(parsed("#/?name=jax%400.4.30%2Fjit%2Fcpu"), { fault: "", filters: { name: "jax@0.4.30/jit/cpu" } });
  for (const nothing of ["", "#", "#/", "#/?"]) assert.deepEqual(parsed(nothing), { fault: "", filters: {} });
});

test("a fault matches what it names, whole", () => {
  const data = { framework: "torch", mode: '["eager","compile"]' };
  assert.ok(matches(data, { framework: "torch", mode: "compile" }, ""));
  assert.ok(!matches(data, { framework: "jax" }, ""));
  assert.ok(!matches(data, { mode: "comp" }, ""));
  assert.ok(matches(data, { mode: "", device: "cpu" }, ""), "what is left open, or is not said of it, keeps it");
});

test("every word of a search is found", () => {
  assert.ok(matches({}, { q: "SUM float16" }, "the sum of 65,520 terms in float16"));
  assert.ok(!matches({}, { q: "sum float32" }, "the sum of 65,520 terms in float16"));
});

/** What conformance/reporting/questions.py makes of some errors. */
const CODES = { quarter: 61 << 9, half: 62 << 9, one: 63 << 9, two: 64 << 9, four: 65 << 9, infinite: 0xfffd, nonfinite: 0xfffe, none: 0xffff };

/** Three questions asked of four targets: states and bits by target, then by question. */
const table = {
  count: 3,
  states: ["not asked", "unsupported", "rejected", "fine", "degraded", "violation"],
  targets: [
    { name: "torch@2.0/eager/cpu", framework: "torch", variant: "", release: "2.0", mode: "eager", device: "cpu" },
    { name: "torch@2.10/eager/cpu", framework: "torch", variant: "", release: "2.10", mode: "eager", device: "cpu" },
    { name: "torch@2.10/compile/cpu", framework: "torch", variant: "", release: "2.10", mode: "compile", device: "cpu" },
    { name: "jax/jit/cpu", framework: "jax", variant: "", release: "0.10.2", mode: "jit", device: "cpu" },
  ],
  op: ["softmax", "log_softmax"], dtype: ["float32"], family: ["masks", "axes"], way: ["plain"], case: ["all,n=3", "axis=0", "x"],
  numbers: { op: [0, 1, 0], dtype: [0, 0, 0], family: [0, 1, 1], way: [0, 0, 0], case: [0, 1, 2] },
  state: [3, 5, 3, 5, 5, 1, 3, 4, 3, 3, 3, 0],
  bits: [1, 1, 1, 2, 1, 0, 1, 2, 1, 3, 3, 0],
  gap: [0.5, 16, NaN], n: [3, 1024, 4096],
  over: [CODES.half, CODES.two, CODES.none, CODES.infinite, CODES.one, CODES.none, 0, 0, 0, CODES.quarter, CODES.quarter, CODES.none],
  ulp: [CODES.half, CODES.four, CODES.none, CODES.infinite, CODES.one, CODES.none, 0, 0, 0, CODES.quarter, CODES.quarter, CODES.none],
};

/** The numbers of the questions that a query means. */
const found = (query) => [0, 1, 2].filter(compiled(query, table));

test("a query names columns, states and who has them", () => {
  for (const [query, due] of [
    ["", [0, 1, 2]], ["op:softmax", [0, 2]], ["family:axes", [1, 2]], ["case:axis", [1]], ['case:"n=3"', [0]], ["axis=0", [1]], ["masks", [0]],
    ["violation", [0, 1]], ["degraded", [1]], ["torch:violation", [0, 1]], ["2.10:violation", [0, 1]], ["compile:violation", []],
    ["jax:fine", [0, 1]], ["torch:fine", [2]], ["torch@2.10/eager/cpu:unsupported", [2]], ["jax:not_asked", [2]],
    ["torch:violation and jax:fine", [0, 1]], ["op:softmax axes", [2]], ["op:log_softmax or masks", [0, 1]], ["not violation", [2]],
    ["not (masks or case:axis)", [2]], ["op:softmax and (masks or case:axis)", [0]],
  ]) assert.deepEqual(found(query), due, query);
});

test("a query compares numbers of questions and of answers", () => {
  for (const [query, due] of [
    ["gap>0.5", [1]], ["gap>=0.5", [0, 1]], ["gap<=16 n<1024", [0]], ["n>=1024", [1, 2]], ["over>1", [0, 1]], ["2.0:over>1", [1]], ["jax:over<0.25", []],
    ["jax:over<=0.25", [0, 1]], ["torch@2.10/eager/cpu:over>1e19", [0]], ["compile:ulp<=0", [0, 1, 2]], ["ulp>3 not 2.0:ulp>3", [0]],
  ]) assert.deepEqual(found(query), due, query);
});

test("the name of a target may hold a colon", () => {
  const targets = table.targets.map((target, j) => (j === 3 ? { ...target, name: "jax:own/jit/cuda:0" } : target));
  assert.deepEqual([0, 1, 2].filter(compiled("jax:own/jit/cuda:0:not_asked", { ...table, targets })), [2]);
});

test("modes differ within a release, frameworks with one another", () => {
  assert.deepEqual(found("differs(eager, compile)"), [0, 1]);
  assert.deepEqual(found("differs(torch, jax)"), [0, 1]);
  assert.deepEqual(found("differs(2.0,2.10)"), [0, 1]);
});

test("since a release means that the ones before were asked and are right", () => {
  assert.deepEqual(found("since(2.10)"), [0]);
  assert.ok(age("2.10", "2.9") > 0);
  assert.equal(age("2.13.0+cpu", "2.13"), 0);
});

test("a mistake is one line that says what there is", () => {
  for (const [query, said] of [
    ["op:softmx", /no op is softmx: softmax, log_softmax/], ["pytorch:violation", /pytorch is no target.*; there are torch, jax$/],
    ["torch:wrong", /wrong is none of not asked/], ["(op:softmax", /a \) is missing/], ["op:softmax)", /\) stands where/],
    ["not", /not of what/], ["op:softmax or", /something is missing at the end/], ["differs(eager)", /two targets/], ["since(1.0)", /asked before and since 1\.0/],
    ["over>much", /much is no number to compare over with/], ["gap<", /nothing is no number/], ["torch:gap>1", /gap is of a question/],
  ]) {
    assert.throws(() => compiled(query, table), (error) => error instanceof BadQuery && said.test(error.message) && !error.message.includes("\n"), query);
  }
});

test("a call that raises is neither fine nor a violation, and was asked", () => {
  const state = table.state.with(9, 2);  // jax, the first question
  const rows = (query) => [0, 1, 2].filter(compiled(query, { ...table, state }));
  assert.deepEqual(rows("jax:fine"), [1]);
  assert.deepEqual(rows("jax:rejected"), [0]);
  assert.deepEqual(rows("jax:violation"), []);
});

test("an answer that is not finite is farther from the truth than any error", () => {
  const over = table.over.with(1, CODES.nonfinite).with(6, CODES.nonfinite).with(0, CODES.nonfinite);
  const rows = (query) => [0, 1, 2].filter(compiled(query, { ...table, over }));
  assert.deepEqual(rows("2.0:nonfinite"), [0, 1]);
  assert.deepEqual(rows("over>=0 2.0:over>=0"), []);
  assert.deepEqual(rows("closer(jax, 2.0)"), [0, 1]);
  assert.deepEqual(rows("closer(2.0, jax)"), []);
  assert.deepEqual(rows("closer(2.0, compile)"), []);
  assert.deepEqual(rows("closer(torch@2.10/eager/cpu, 2.0)"), [0, 1], "an infinite error is an error");
});

test("numbers of sixteen bits", () => {
  for (const [bits, value] of [[CODES.one, 1], [1, 2 ** -63 * (513 / 512)], [CODES.infinite, Infinity], [(63 << 9) + 171, 1 + 171 / 512], [0, 0], [0xfffc, 2 ** 64 * (1 + 508 / 512)]]) assert.equal(errorOf(bits), value);
  for (const bits of [CODES.nonfinite, CODES.none]) assert.ok(Number.isNaN(errorOf(bits)));
});

test("what Python has packed", () => {
  const { data, due } = JSON.parse(process.env.PACKED ?? "null") ?? {};
  if (!data) return;
  const bytes = gunzipSync(Buffer.from(data, "base64"));
  const read = unpacked(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const rows = Array.from({ length: read.count }, (_, i) => [
    ...["op", "dtype", "family", "way", "case"].map((column) => read[column][read.numbers[column][i]]),
    ...read.targets.map((_, j) => read.states[read.state[j * read.count + i]]),
    ...read.targets.map((_, j) => read.bits[j * read.count + i]),
  ]);
  assert.deepEqual(read.targets.map((target) => target.name), due.targets);
  assert.deepEqual(rows, due.rows);
  for (const column of ["over", "ulp"]) assert.deepEqual(Array.from(read[column], errorOf).map(String), due[column]);
  for (const column of ["gap", "n"]) assert.deepEqual(Array.from(read[column], String), due[column]);
});
