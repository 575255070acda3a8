"""One small real run: NumPy's own answers judged by the suite, so that no framework is needed to test the report."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conformance import cases
from conformance.judgement import Judge, digests
from conformance.record import Footer, Header, Part, Plan, Record, Subject, claims_frame, frame
from conformance.record.machine import this_machine
from conformance.record.rows import observation_row, smallest
from conformance.reporting import Reading
from conformance.values import Answered, Exhibit, NotAsked, OutOfMemory, Raised, Target, Tier, Unsupported
from reference.formats import FORMATS
from reference.functions import log_softmax_shifted, softmax_definition, softmax_shifted
from reference.ops import FORWARD, LOG_SOFTMAX, SOFTMAX

if TYPE_CHECKING:
    from conformance.values import Batch, Observation

HOSTILE = "<script>document.title = 'owned'</script>"
TARGETS = [Target("numpy", kind, "cpu", version="1.0", control=kind == "definition")
           for kind in ("honest", "raising", "partial", "definition")]  # fmt: skip
PROGRAM = (
    "import numpy as np",
    "np.array({values}, dtype='float64').astype('{dtype}')",
    "def f(x, axis):\n    e = np.exp(x - x.max(axis, keepdims=True))\n    return e / e.sum(axis, keepdims=True)",
    "def numbers(y):\n    return y.dtype.name, y.tolist()",
)


def _answer(kind: str, batch: Batch) -> Observation:
    length = batch.logits.shape[-1] if batch.logits.ndim else 0
    if kind == "partial" and batch.op is LOG_SOFTMAX:
        return Unsupported("no kernel")
    if kind == "partial" and length == 1024:
        return NotAsked("it ended 3 processes") if batch.format.name == "float16" else OutOfMemory(2**30)
    if batch.cases[0].raises:
        return Raised("AxisError: out of range")
    if kind == "raising" and length == 17:
        return Raised(f"ValueError: {HOSTILE}")
    f = {"definition": softmax_definition}.get(kind, softmax_shifted if batch.op is SOFTMAX else log_softmax_shifted)
    with np.errstate(all="ignore"):
        wrong = 1.5 if kind == "raising" and length == 7 else 1.0
        stored = batch.format.encode(batch.format.quantise(wrong * f(batch.logits, batch.call.axis)))
    return Answered(batch.format.name, stored.shape, stored, 0.001)


def _rows(target: Target, asked: list[Any], answered: list[tuple[Batch, Observation, Any]]) -> list[dict[str, Any]]:
    """The rows of one target for one op and format, with a case for each family that asks it."""
    twins = cases.twins(asked)
    judged = [
        (case, observation, judgement, digest, Exhibit(case.inputs, len(batch.cases) if case.stacks else 0, place))
        for batch, observation, judgements in answered
        for place, (first, judgement, digest) in enumerate(
            zip(batch.cases, judgements, digests(batch, observation), strict=True)
        )
        for case in twins[first.id]
    ]
    kept = smallest([(case, judgement) for case, _, judgement, *_ in judged])
    rows = []
    for i, (case, observation, judgement, digest, exhibit) in enumerate(judged):
        kinds = {finding.kind for finding in judgement.findings} if target.control else set()
        must = kinds & {"nonfinite"} if case.family == "magnitude" else set()
        shown = exhibit if i in kept else None
        row = observation_row(
            target, case, observation, judgement, digest=digest, must=must, may=kinds - must, exhibit=shown
        )
        rows.append({"suite_version": "0", **row})
    return rows


@pytest.fixture(scope="session")
def small_record() -> Record:
    """Four targets on NumPy: an honest one, one that raises or is wrong, one without log_softmax, and the naive control."""
    rows = []
    for dtype in ("float32", "float16"):
        for op in FORWARD:
            asked = cases.cases(FORMATS[dtype], (op,), tier=Tier.SMOKE, seed=0)
            judges = [(batch, Judge(batch)) for batch in cases.batches(asked)]
            for target in TARGETS:
                seen = [(batch, _answer(target.mode, batch), judge) for batch, judge in judges]
                rows += _rows(target, asked, [(batch, what, judge.judge(what)) for batch, what, judge in seen])
    observations = frame(rows, "test")
    families = {name: family.reason for name, family in cases.families().items()}
    plan = Plan(Tier.SMOKE, 0, ("softmax", "log_softmax"), ("float32", "float16"), families, tuple(TARGETS),
                {"jax": "not installed"})  # fmt: skip
    header = Header("test", "0", "2026-11-23T00:00:00+00:00", "none", "a few rows", plan, this_machine(),
                    (Subject("numpy", version="1.0"),))  # fmt: skip
    claims = claims_frame(
        [
            {
                "claim": "a", "statement": "1 < 2 & so on", "target": str(target), "version": "1.0", "dtype": "float32",
                "verdict": verdict, "evidence": f"because {HOSTILE} | pipe",
            }
            for target, verdict in zip(TARGETS, ("holds", "fails", "not asked", "holds"), strict=True)
        ],
        "test",
    )  # fmt: skip
    own = [target for target in TARGETS if not target.control]
    programs = {f"{target.versioned} {op} plain": PROGRAM for target in own for op in FORWARD}
    footer = Footer(len(observations), len(claims), complete=True, seconds=1.0)
    return Record((Part(header, footer, programs),), observations, claims)


@pytest.fixture(scope="session")
def small(small_record: Record) -> Reading:
    """The small run, read without a ledger."""
    return Reading(small_record)


@pytest.fixture(scope="session")
def interrupted(small_record: Record) -> Reading:
    """The same, as a run that did not finish."""
    (part,) = small_record.parts
    part = dataclasses.replace(part, footer=dataclasses.replace(part.footer, complete=False))
    return Reading(dataclasses.replace(small_record, parts=(part,)))
