"""Each textbook formula gets wrong what its predicate says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from installed import load

from conformance import cases, frameworks
from conformance.frameworks import controls
from conformance.frameworks.arrays import PRIMITIVES
from conformance.frameworks.controls import CONTROLS, Limits, expected
from conformance.judgement.checks import kinds
from conformance.values import Tier
from reference.formats import FORMATS
from reference.ops import FORWARD, OPS
from reference.truth import truth

NATIVE = ("float64", "float32", "float16")
PAIRS = [(name, op) for name, control in CONTROLS.items() for op in control.formulas]


@pytest.mark.parametrize("name", frameworks.names())
@pytest.mark.parametrize(("control", "op"), PAIRS)
def test_controls_are_exact_on_two_zeros(name: str, control: str, op: str) -> None:
    framework = load(name)
    if framework.primitives("cpu") is None:
        pytest.skip(f"{name} has no elementary functions of its own")
    f = controls.function(framework, control, op, "cpu")
    assert f is not None
    x = framework.send(FORMATS["float64"].encode([[0.0, 0.0]]), "float64", "cpu")

    got = framework.fetch(f(x, -1))[1]

    due = 0.5 if op == "softmax" else np.log(0.5)
    # exp(-log 2) need not be ½ to the last bit: one ulp of the float64 exp and log each.
    assert (np.abs(got - due) <= 2 * np.spacing(abs(due))).all()


@pytest.mark.parametrize(
    ("control", "op", "row", "must"),
    [
        ("definition", "softmax", [0.0, 1000.0], {"nonfinite"}),
        ("definition", "log_softmax", [-1000.0, -1000.0], {"nonfinite"}),
        ("definition", "softmax", [0.0, -1000.0], set()),
        ("shifted", "softmax", [0.0, 1000.0], set()),
        ("logsumexp", "softmax", [1e8, 1e8], {"accuracy"}),
        ("logsumexp", "log_softmax", [1e8, 0.0], set()),
        ("log-of-softmax", "log_softmax", [0.0, -150.0], {"nonfinite"}),
        ("log-of-softmax", "log_softmax", [0.0, -50.0], set()),
    ],
)
def test_what_must_show(control: str, op: str, row: list[float], must: set[str]) -> None:
    assert must == expected(control, op, np.array(row), -1, Limits.of(FORMATS["float32"]))[0]


@pytest.mark.parametrize(
    ("control", "op", "row"),
    [
        ("definition", "softmax", [0.0, 1.0, -2.0]),
        ("definition", "log_softmax", [0.0, 1.0, -2.0]),
        ("shifted", "softmax", [1000.0, -1000.0]),
        ("shifted", "log_softmax", [1000.0, -1000.0]),
        ("logsumexp", "softmax", [-0.5, -0.75]),
        ("logsumexp", "log_softmax", [0.0, -200.0]),
        ("log-of-softmax", "log_softmax", [0.0, -80.0]),
    ],
)
def test_an_easy_row_may_show_nothing_but_ties(control: str, op: str, row: list[float]) -> None:
    assert (set(), {"ties"}) == expected(control, op, np.array(row), -1, Limits.of(FORMATS["float32"]))


@pytest.mark.parametrize(("control", "op"), PAIRS)
def test_any_row_of_an_array_counts_and_rows_without_an_answer_do_not(control: str, op: str) -> None:
    limits = Limits.of(FORMATS["float32"])
    hard = np.array([1e8, 1e8, -300.0])
    alone = expected(control, op, hard, -1, limits)

    assert alone == expected(control, op, np.stack([np.zeros(3), hard]), 1, limits)
    assert alone == expected(control, op, np.stack([np.zeros(3), hard]).T, 0, limits)
    for hopeless in (np.full(3, -np.inf), np.array([np.nan, 0.0, 1.0]), np.empty(0)):
        assert not expected(control, op, hopeless, 0, limits)[0]


@pytest.mark.parametrize(("control", "op"), PAIRS)
def test_what_may_and_must_show_are_kinds_that_there_are(control: str, op: str) -> None:
    rows = np.array([[1e8, 1e8], [0.0, -1000.0], [np.inf, 0.0], [88.0, 88.0]])
    must, may = expected(control, op, rows, -1, Limits.of(FORMATS["float16"]))

    assert must <= may <= set(kinds())


def _wrong(op: str, x: np.ndarray, got: np.ndarray, dtype: str, axis: int) -> bool:
    """Whether NaN, infinity or a number off by half of itself stands where the truth has none such."""
    format = FORMATS[dtype]
    due = truth(op, x, axis, format=format).rounded(format)
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(got - due) > 0.75 * np.abs(due) + (1.0 if op == "log_softmax" else 4 * format.smallest_normal)
    return bool((np.isfinite(due) & (off | ~np.isfinite(got))).any())


@pytest.mark.parametrize(("control", "op"), PAIRS)
@pytest.mark.parametrize("dtype", NATIVE)
def test_numpy_gets_wrong_what_it_must_and_only_what_it_may(control: str, op: str, dtype: str) -> None:
    """By a coarse judge, on every smoke row of these families: a fault that shows is foreseen, and each
    fault that must show is there."""
    format, formula = FORMATS[dtype], CONTROLS[control].formulas[op]
    families = sorted({"all_equal", *(name for each in CONTROLS.values() for name in each.families)})
    seen = 0
    for case in cases.cases(format, (OPS[op],), families=families, tier=Tier.SMOKE, seed=0):
        x, axis = case.logits, case.call.axis
        if case.raises or not x.size or case.call.way != "plain" or case.inputs.dtype != dtype:
            continue
        with np.errstate(all="ignore"):
            got = np.asarray(formula(PRIMITIVES, x.astype(dtype), axis), dtype=np.float64)
        must, may = expected(control, op, x, axis, Limits.of(format))
        coarse = _wrong(op, x, got, dtype, axis)
        assert not coarse or may > {"ties"}, (case.family, case.name)
        if "nonfinite" in must:
            assert not np.isfinite(got).all(), (case.family, case.name)
            seen += 1
        if "accuracy" in must:
            assert not np.isfinite(got).all() or (got != np.asarray(truth(op, x, axis, format=format).nearest)).any()
            seen += 1
    assert seen or not CONTROLS[control].must


def test_the_families_of_the_controls_are_families() -> None:
    for control in CONTROLS.values():
        assert set(control.must) <= set(control.families) <= set(cases.families())


def test_controls_are_a_small_part_of_a_run() -> None:
    """At most a fifth of what one framework with two modes is asked in all."""
    asked = cases.cases(FORMATS["float32"], FORWARD, tier=Tier.STANDARD, seed=0)
    of_controls = sum(
        case.family in control.families and case.op.name in control.formulas
        for control in CONTROLS.values()
        for case in asked
    )

    assert 5 * of_controls <= 2 * len(asked) + of_controls


def test_limits_are_those_of_the_format() -> None:
    format = FORMATS["bfloat16"]

    assert Limits(format.max, 2.0**-126, 2.0**-133, 2.0**-8) == Limits.of(format)
