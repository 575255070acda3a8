"""Small records to try things on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from conformance.record import Footer, Header, Machine, Part, Plan, Record, Subject, claims_frame, frame
from conformance.values import Target, Tier

TORCH = Target("torch", "eager", "cpu", version="2.13.0")
JAX = Target("jax", "jit", "cpu", version="0.10.2")
WITNESS = json.dumps(
    [
        {
            "kind": "accuracy", "severity": "violation", "detail": "wrong by 3 ulp",
            "witness": {
                "index": 1, "logit": "0x1p+0", "got": "0x1p-1", "expected": "0x1.8p-1", "rest": "0x0p+0",
                "bound": "0x1p-20", "beside": -1,
            },
        }
    ]
)  # fmt: skip


INPUTS = json.dumps(
    {
        "dtype": "float32", "rows": 3, "place": 1,
        "x": {"shape": [4], "runs": ["0x0.0p+0*3", "0x1.0p+0"], "kind": "", "bits": ""},
        "operand": None, "cotangent": None,
    }
)  # fmt: skip


def row(target: Target = TORCH, **columns: Any) -> dict[str, Any]:
    plain = {
        "target": str(target), "framework": target.framework, "variant": target.variant, "version": target.version,
        "mode": target.mode, "device": target.device, "control": target.control, "op": "softmax", "dtype": "float32",
        "family": "underflow", "case": "a", "case_id": "1234", "tier": "smoke", "axis": -1, "shape": "4", "layout": "", "cotangent_layout": "",
        "way": "plain", "outcome": "answered", "reason": "", "seconds": 0.5, "digest": "", "choices": "",
        "grade": "exact", "severity": "none", "findings": "", "expected": "", "max_ulp": 0.5, "max_ulp_at": 1,
        "error_over_bound": 0.5, "row_sum_error": 0.5, "logit_gap": 0.5, "nonfinite_expected": 0, "nonfinite_got": 0,
        "witness": "", "inputs": "",
    }  # fmt: skip
    return plain | columns


def violated(target: Target = TORCH, **columns: Any) -> dict[str, Any]:
    wrong = {
        "grade": "divergent",
        "severity": "violation",
        "findings": "accuracy",
        "witness": WITNESS,
        "inputs": INPUTS,
    }
    return row(target, **wrong | columns)


def header(*targets: Target, run_id: str = "run", **fields: Any) -> Header:
    plan = Plan(
        tier=Tier.SMOKE,
        seed=0,
        ops=("softmax",),
        dtypes=("float32",),
        families={"underflow": "what is small is lost"},
        targets=targets or (TORCH,),
        absent={"tensorflow": "not installed"},
        limits={"timeout": "600 s"},
    )
    machine = Machine("x86_64/avx512", cpu="a processor", cores=2, threads={"OMP_NUM_THREADS": "1"}, gpus=("H100",))
    subjects = tuple(Subject(t.framework, t.variant, t.version, versions={"numpy": "2.4"}) for t in plan.targets)
    told = Header(
        run_id, "1", "2026-11-23T00:00:00+00:00", "conformance run", "nothing about speed", plan, machine, subjects
    )
    return change(told, **fields)


def change(told: Header, **fields: Any) -> Header:
    """The header with fields of it, of its plan or of its machine changed."""
    mine, plan = ({k: v for k, v in fields.items() if k in of.__dataclass_fields__} for of in (Header, Plan))
    machine = {k: v for k, v in fields.items() if k not in mine and k not in plan}
    return replace(told, **{"plan": replace(told.plan, **plan), "machine": replace(told.machine, **machine)} | mine)


def claim(target: Target = TORCH) -> dict[str, str]:
    return {
        "claim": "a", "statement": "a ≤ b", "target": str(target), "version": target.version, "dtype": "float32",
        "verdict": "holds", "evidence": "because",
    }  # fmt: skip


def record(*rows: dict[str, Any], target: Target = TORCH, complete: bool = True, **fields: Any) -> Record:
    told = header(target, **fields)
    observations = frame(rows or [row(target)], told.run_id)
    claims = claims_frame([claim(target)], told.run_id)
    footer = Footer(len(observations), 1, complete, 1.5, {target.framework: {"ask": 1.25}}, 3)
    program = (
        "import torch",
        "torch.tensor({values})",
        "def f(x, axis):\n    return x",
        "def numbers(y):\n    return str(y.dtype), y",
    )
    return Record((Part(told, footer, {f"{target} softmax plain": program}),), observations, claims)
