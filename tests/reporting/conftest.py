"""One small real run: NumPy's own answers judged by the suite, so that no framework is needed to test the report."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conformance import cases, ledger, record
from conformance.claims import COLUMNS as CLAIMS
from conformance.engine import Selection as Chosen
from conformance.engine import Task, _rows, _witnessed
from conformance.execution.batches import batches
from conformance.execution.environment import environment
from conformance.judgement import Judge
from conformance.selection import PROVES_NOT
from conformance.values import Answered, Raised, Target, Tier, Unsupported
from reference.formats import FORMATS
from reference.functions import log_softmax_shifted, softmax_definition, softmax_shifted

HOSTILE = "<script>document.title = 'owned'</script>"


def _answer(kind: str, batch: Any) -> Any:
    if kind == "partial" and batch.op == "log_softmax":
        return Unsupported("no kernel")
    if batch.cases[0].raises:
        return Raised("AxisError: out of range")
    if kind == "raising" and batch.values.shape[-1] == 17:
        return Raised(f"ValueError: {HOSTILE}")
    f = {"definition": softmax_definition}.get(kind, softmax_shifted if batch.op == "softmax" else log_softmax_shifted)
    with np.errstate(all="ignore"):
        stored = batch.format.encode(batch.format.quantise(f(batch.values, batch.axis)))
    return Answered(batch.format.name, stored.shape, stored, 0.001)


@pytest.fixture(scope="session")
def small_record() -> record.Record:
    """Four targets on NumPy: an honest one, one that raises, one without log_softmax, and the naive control."""
    chosen, judge, rows = Chosen(Tier.SMOKE, 0), Judge(), []
    kinds = {"honest": False, "raising": False, "partial": False, "definition": True}
    targets = [Target("numpy", kind, "cpu", control) for kind, control in kinds.items()]
    for dtype in ("float32", "float16"):
        for op in ("softmax", "log_softmax"):
            asked = batches(cases.cases(FORMATS[dtype], (op,), tier=Tier.SMOKE, seed=0))
            for target in targets:
                task, mine = Task(target, op, dtype, chosen), []
                for batch in asked:
                    seen = _answer(target.mode, batch)
                    mine += _rows(task, "1.0", batch, seen, judge.judge(batch, seen))
                rows += _witnessed(mine, task, None)
    observations = record.frame(rows, "test")
    ledger.annotate(observations, (), "x86_64/none", "smoke")
    header = {
        "schema": record.SCHEMA, "run_id": "test", "suite_version": "0", "started": "2026-11-23T00:00:00+00:00",
        "tier": "smoke", "tier_proves_not": PROVES_NOT[Tier.SMOKE], "seed": 0, "command": "none",
        "plan": {
            "targets": [{"target": str(t), "version": "1.0", **dataclasses.asdict(t)} for t in targets],
            "ops": ["softmax", "log_softmax"], "dtypes": ["float32", "float16"],
            "families": {name: family.reason for name, family in cases.families().items()},
            "absent": {"jax": "not installed"},
        },
        "environment": environment(),
    }  # fmt: skip
    claims = pd.DataFrame(
        [["a", "1 < 2 & so on", str(t), "float32", verdict, f"because {HOSTILE} | pipe"]
         for t, verdict in zip(targets, ("holds", "fails", "not asked", "holds"), strict=True)],
        columns=list(CLAIMS), dtype="string",
    )  # fmt: skip
    footer = {
        "rows": len(observations),
        "claims": 4,
        "complete": True,
        "seconds": 1.0,
        "timing": {},
        "escalated": 0,
        "stale_ledger": [],
    }
    return record.Record(header, observations, claims, footer)
