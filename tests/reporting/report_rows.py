"""Records made by hand: rows of the columns that a test is about, with the others as they are in a good row."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.record import Footer, Header, Machine, Part, Plan, Record, Subject, claims_frame, frame
from conformance.record.exhibit import exhibit_as_text
from conformance.record.witness import findings_as_text
from conformance.values import Choice, Exhibit, Finding, Inputs, Severity, Target, Tier, Witness

if TYPE_CHECKING:
    from collections.abc import Sequence

EAGER = Target("f", "eager", "cpu", version="1.0")
JIT = Target("f", "jit", "cpu", version="1.0")
CONTROL = Target("f", "definition", "cpu", version="1.0", control=True)

HOSTILE = "\x1b[31m[bold]</td><script>document.title = 'owned'</script>|`*_\u202e\n=1+1\"' ![i](http://x.invalid/i.png)"
"""What a framework may say: escape sequences, markup of rich, tags, delimiters, and a line break."""

_number = itertools.count()


def violation(kind: str = "nonfinite", detail: str = "returned nan", *, logit: float = 1.0) -> Finding:
    return Finding(kind, Severity.VIOLATION, detail, Witness(1, logit, float("nan"), 0.5, 0.0, 2.0**-24))


def degraded(kind: str = "loose", detail: str = "off") -> Finding:
    return Finding(kind, Severity.DEGRADED, detail, Witness(0, 0.0, 0.25, 0.5, 0.0, 2.0**-24))


def handed(*x: float, dtype: str = "float32", operand: Sequence[float] | None = None, rows: int = 0) -> Exhibit:
    arrays = [None if part is None else np.array(part) for part in (x, operand)]
    return Exhibit(Inputs(arrays[0], dtype, arrays[1]), rows)


def row(
    target: Target = EAGER,
    *,
    findings: Sequence[Finding] = (),
    choices: Sequence[Choice] = (),
    must: Sequence[str] = (),
    may: Sequence[str] = (),
    x: Sequence[float] = (0.0, 1.0),
    **columns: Any,
) -> dict[str, Any]:
    severities = [finding.severity for finding in findings]
    worst = max(severities, key=tuple(Severity).index, default=Severity.NONE)
    case = columns.pop("case", f"case{next(_number):04}")
    return {
        "suite_version": "1", "target": str(target), "framework": target.framework, "variant": target.variant,
        "version": target.version, "mode": target.mode, "device": target.device, "control": target.control,
        "op": "softmax", "dtype": "float32", "family": "random", "case": case, "case_id": case, "tier": "smoke",
        "axis": -1, "shape": str(len(x)), "layout": "", "cotangent_layout": "", "way": "plain", "outcome": "answered", "reason": "", "seconds": 0.001,
        "digest": "00000000", "choices": " ".join(map(str, choices)), "grade": "exact", "severity": str(worst),
        "findings": ";".join(finding.kind for finding in findings),
        "expected": ";".join([*(f"{kind}!" for kind in must), *(f"{kind}?" for kind in may)]),
        "max_ulp": 0.5, "max_ulp_at": 0, "error_over_bound": 0.25, "row_sum_error": 0.0, "logit_gap": 1.0,
        "nonfinite_expected": 0, "nonfinite_got": 0, "witness": findings_as_text(tuple(findings)),
        "inputs": exhibit_as_text(handed(*x)) if findings else "",
    } | columns  # fmt: skip


def part(
    run: str, targets: Sequence[Target], *, rows: int = 0, claims: int = 0, complete: bool = True, **programs: Any
) -> Part:
    machine = Machine("x86_64/avx512", "Linux", "glibc", f"CPU of {run}", "avx512f", 2, python="3.13.0")
    subjects = tuple(
        Subject(name, version=version, python="3.12.1", numpy="2.0.0", versions={name: version})
        for name, version in dict.fromkeys((t.framework, t.version) for t in targets)
    )
    plan = Plan(
        Tier.SMOKE, 0, ("softmax", "log_softmax"), ("float32", "float16"), {"random": "why", "magnitude": "why not"},
        tuple(targets), {"jax": "not installed"},
    )  # fmt: skip
    header = Header(run, "1", "2026-11-23T00:00:00+00:00", "conformance run", "much", plan, machine, subjects)
    return Part(header, Footer(rows, claims, complete, 1.0), **programs)


def record(*rows: dict[str, Any], claims: Sequence[dict[str, Any]] = (), run: str = "run", **kwargs: Any) -> Record:
    """One part with its rows; its targets are those of the rows, or those given."""
    targets = kwargs.pop("targets", None) or [
        Target(*place) for place in dict.fromkeys(
            tuple(r[name] for name in ("framework", "mode", "device", "variant", "version", "control")) for r in rows
        )
    ]  # fmt: skip
    made = part(run, targets, rows=len(rows), claims=len(claims), **kwargs)
    return Record((made,), frame(rows, run), claims_frame(claims, run))
