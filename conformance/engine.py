"""How do the rooms work together on one task?

A *task* is one target asked one op in one dtype, over all chosen families: small enough to show
progress, big enough that its rows travel in a few arrays.  The command line performs tasks in worker
processes and pytest performs the same tasks in its own; both get rows of the record.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

import conformance
from conformance import cases, frameworks
from conformance.execution.ask import Respondent, deaf
from conformance.execution.batches import batches
from conformance.frameworks import controls
from conformance.frameworks.base import Behind
from conformance.judgement import Judge
from conformance.values import (
    Answered,
    Batch,
    Crashed,
    Judgement,
    Observation,
    Raised,
    Target,
    Tier,
    TimedOut,
    Unsupported,
)
from reference.formats import FORMATS

OPS = ("softmax", "log_softmax")

_OUTCOMES = {
    Answered: "answered",
    Unsupported: "unsupported",
    Raised: "raised",
    Crashed: "crashed",
    TimedOut: "timed_out",
}


@dataclass(frozen=True)
class Selection:
    """Which questions: families (all where empty), tier and seed."""

    tier: Tier
    seed: int
    families: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """One target asked one op in one dtype."""

    target: Target
    op: str
    dtype: str
    selection: Selection

    def __str__(self) -> str:
        return f"{self.target} {self.op} {self.dtype}"

    def respondent(self) -> Respondent:
        """The target, ready to be asked, in this process."""
        return Respondent(frameworks.load(self.target.framework), self.target, self.op, FORMATS[self.dtype])


@dataclass(frozen=True)
class Introduction:
    """What a framework says of itself once it is imported, or why it is absent."""

    framework: str
    version: str = ""
    modes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    seconds: float = 0.0
    absent: str = ""

    def targets(self) -> list[Target]:
        """Its own functions in every mode on every device, and the controls beside them."""
        own = [Target(self.framework, mode, device) for device in self.devices for mode in self.modes]
        textbook = [Target(self.framework, mode, device, control=True) for device in self.devices
                    for mode in controls.CONTROLS]  # fmt: skip
        return own + textbook


@dataclass(frozen=True)
class Result:
    """The rows of one task, where its time went, in seconds, and how many truths it took two attempts at."""

    rows: list[dict[str, Any]]
    timing: dict[str, float]
    escalated: int


@deaf
def introduce(name: str) -> Introduction:
    """Import a framework and let it introduce itself."""
    start = time.perf_counter()
    try:
        framework = frameworks.load(name)
        return Introduction(name, framework.version, framework.modes, framework.devices(), time.perf_counter() - start)
    except Exception as error:  # noqa: BLE001 - absent or broken: both are said, neither ends the run
        why = "not installed" if isinstance(error, ModuleNotFoundError) and error.name == name else str(error)
        return Introduction(name, absent=why or type(error).__name__, seconds=time.perf_counter() - start)


@lru_cache(maxsize=1)  # with its truth, an op and dtype of the exhaustive tier takes two gigabytes
def questions(op: str, dtype: str, selection: Selection) -> tuple[Batch, ...]:
    """Every question of a selection about one op and dtype, as the arrays they travel in."""
    asked = cases.cases(
        FORMATS[dtype], (op,), families=selection.families or None, tier=selection.tier, seed=selection.seed
    )
    return tuple(batches(asked))


@lru_cache(maxsize=1)
def _judge(asked: tuple[Batch, ...]) -> Judge:  # noqa: ARG001 - the key
    """The judge of these questions, who keeps their truth as long as they are asked of one target after the other."""
    return Judge()


def perform(task: Task) -> Result:
    """Ask and judge one task in this process."""
    timing: defaultdict[str, float] = defaultdict(float)
    start = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal start
        now = time.perf_counter()
        timing[name] += now - start
        start = now

    asked = questions(task.op, task.dtype, task.selection)
    judge = _judge(asked)
    escalated = judge.escalated
    lap("cases")
    respondent = task.respondent()
    framework = respondent.framework
    lap("ask")
    rows = []
    for batch in asked:
        answers = respondent.ask(batch)
        lap("ask")
        for part, observation in answers:
            judgements = judge.judge(part, observation)
            rows += _rows(task, framework.version, part, observation, judgements)
        lap("judge")
    return Result(_witnessed(rows, task, framework), dict(timing), judge.escalated - escalated)


def lost(task: Task, version: str, observation: Crashed | TimedOut) -> list[dict[str, Any]]:
    """The rows of a task whose process is gone: every case of it has that observation."""
    asked = questions(task.op, task.dtype, task.selection)
    judge = _judge(asked)
    rows = [row for batch in asked for row in _rows(task, version, batch, observation, judge.judge(batch, observation))]
    return _witnessed(rows, task, None)


def _rows(
    task: Task,
    version: str,
    batch: Batch,
    observation: Observation,
    judgements: list[Judgement],
) -> list[dict[str, Any]]:
    digests = _digests(batch, observation)
    share = float(f"{observation.seconds / len(batch.cases):.2g}")
    said = getattr(observation, "why", "")
    rows = []
    for i, (case, judgement) in enumerate(zip(batch.cases, judgements, strict=True)):
        witness = [
            {"kind": f.kind, "severity": str(f.severity), "detail": f.detail, **f.witness} for f in judgement.findings
        ]
        finite = case.values[np.isfinite(case.values)]
        with np.errstate(over="ignore"):
            gap = float(np.float32(finite.max() - finite.min())) if finite.size else float("nan")
        rows.append(
            {
                "suite_version": conformance.__version__,
                "target": str(task.target),
                "framework": task.target.framework,
                "mode": task.target.mode,
                "device": task.target.device,
                "framework_version": version,
                "op": case.op,
                "dtype": case.known_as,
                "family": case.family,
                "case": case.name,
                "case_id": case.id,
                "tier": case.tier.name.lower(),
                "axis": case.axis,
                "shape": "×".join(map(str, case.values.shape)),
                "layout": case.layout,
                "producer": case.producer,
                "outcome": _OUTCOMES[type(observation)],
                "seconds": share,
                "digest": digests[i],
                "policy": judgement.policy or (f"unsupported: {said}" if said else ""),
                "grade": str(judgement.grade or ""),
                "severity": str(judgement.severity),
                "findings": ";".join(f.kind for f in judgement.findings),
                "max_ulp": judgement.max_ulp,
                "max_ulp_at": judgement.max_ulp_at,
                "error_over_bound": judgement.error_over_bound,
                "row_sum_error": judgement.row_sum_error,
                "logit_gap": gap,
                "nonfinite_expected": judgement.nonfinite_expected,
                "nonfinite_got": judgement.nonfinite_got,
                "ledger": "",
                "witness": witness,
            }
        )
    return rows


def _witnessed(rows: list[dict[str, Any]], task: Task, framework: frameworks.Framework | None) -> list[dict[str, Any]]:
    """Rows as the record has them: of each finding the shortest row is kept, with a program that asks it alone."""
    shortest: dict[object, dict[str, Any]] = {}
    for row in rows:
        for said in row["witness"]:
            key = (row["dtype"], row["family"], said["kind"], said["severity"])
            if key not in shortest or _length(said) < _length(shortest[key]):
                shortest[key] = said
    kept = {id(said) for said in shortest.values()}
    for row in rows:
        for said in row["witness"]:
            if id(said) in kept:
                said["script"] = _script(task.target, framework, row["op"], row["dtype"], said)
            elif "input" in said:
                said["input"] = {"omitted": _length(said)}
                said.pop("produced", None)
        row["witness"] = json.dumps(row["witness"], ensure_ascii=False) if row["witness"] else ""
    return rows


def _length(said: dict[str, Any]) -> int:
    row = said.get("input", ())
    return int(row["omitted"]) if isinstance(row, dict) else len(row)


def _digests(batch: Batch, observation: Observation) -> list[str]:
    """A hash of the answer's bits for each case: equal digests are an agreement cluster."""
    if not isinstance(observation, Answered):
        return [""] * len(batch.cases)
    whole = batch.stacked and observation.shape == batch.values.shape
    parts = observation.stored if whole else [observation.stored] * len(batch.cases)
    return [hashlib.blake2b(np.ascontiguousarray(part).tobytes(), digest_size=4).hexdigest() for part in parts]


def _script(
    target: Target, framework: frameworks.Framework | None, op: str, dtype: str, witness: dict[str, Any]
) -> str:
    """A program that asks the row of a finding alone.

    Empty where the row is too long to print, and for controls: their formulas stand in their module.
    """
    row = witness.get("input")
    if framework is None or target.control or not isinstance(row, list):
        return ""
    produced = witness.get("produced")
    if produced:
        behind = Behind(produced["producer"], _literal(produced["operand"]), produced["sent"])
        return framework.script(op, target.mode, target.device, dtype, -1, _literal(produced["x"]), behind)
    return framework.script(op, target.mode, target.device, dtype, -1, _literal(row))


def _literal(row: list[str]) -> str:
    """Python source of the numbers."""
    values = [float.fromhex(text) for text in row]
    same = len(values) > 4 and len(set(values)) == 1
    text = f"[{values[0]!r}] * {len(values)}" if same else repr(values)
    return re.sub(r"\b(inf|nan)\b", r"float('\1')", text)
