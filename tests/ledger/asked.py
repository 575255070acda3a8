"""Small records for a ledger to be read with."""

from __future__ import annotations

import json
from typing import Any

from conformance.judgement.checks import severity_of
from conformance.record import Footer, Header, Machine, Part, Plan, Record, claims_frame, frame
from conformance.values import Severity, Target, Tier

EAGER = Target("torch", "eager", "cpu", version="2.13.0+cpu")
HERE = "x86_64/avx512"


def row(target: Target = EAGER, *kinds: str, **columns: Any) -> dict[str, Any]:
    """One observation with findings of these kinds."""
    found = [{"kind": kind, "severity": severity_of(kind), "detail": "so", "witness": None} for kind in kinds]
    severities = tuple(Severity)
    worst = max((severity_of(kind) for kind in kinds), key=severities.index, default=Severity.NONE)
    return {
        "target": str(target), "framework": target.framework, "variant": target.variant, "version": target.version,
        "mode": target.mode, "device": target.device, "control": target.control, "op": "softmax", "dtype": "float32",
        "family": "underflow", "case": "a", "case_id": "1", "tier": "smoke", "axis": -1, "shape": "4", "layout": "", "cotangent_layout": "",
        "way": "plain", "outcome": "answered", "reason": "", "seconds": 0.0, "digest": "", "choices": "", "grade": "",
        "severity": worst, "findings": ";".join(kinds), "expected": "", "max_ulp": 0.0, "max_ulp_at": 0,
        "error_over_bound": 0.0, "row_sum_error": 0.0, "logit_gap": 0.0, "nonfinite_expected": 0, "nonfinite_got": 0,
        "witness": json.dumps(found) if found else "", "inputs": "",
    } | columns  # fmt: skip


def record(
    *rows: dict[str, Any], platform: str = HERE, tier: Tier = Tier.SMOKE, complete: bool = True, run_id: str = "run"
) -> Record:
    """One run of these observations."""
    observations = frame(rows or [row()], run_id)
    places = observations[["framework", "mode", "device", "variant", "version", "control"]].drop_duplicates()
    targets = tuple(Target(*place) for place in places.itertuples(index=False, name=None))
    families = dict.fromkeys(observations["family"], "")
    plan = Plan(tier, 0, tuple(observations["op"].unique()), ("float32",), families, targets)
    header = Header(run_id, "1", "2026-11-23", "conformance run", "", plan, Machine(platform), ())
    footer = Footer(len(observations), 0, complete, 1.0)
    return Record((Part(header, footer),), observations, claims_frame([]))
