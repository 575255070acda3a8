// node --test tests/reporting/query.test.mjs
import assert from "node:assert/strict";
import test from "node:test";

import { matches, parsed } from "../../conformance/reporting/templates/query.js";

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
