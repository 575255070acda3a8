"""No family lets an answer pass that looks at nothing: zeros, a uniform row, a copy, the truth of another row."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from questions import DTYPES, FORWARD_OPS, VJPS, answered, batch_of

from conformance.cases import batches, cases, families
from conformance.judgement import Judge
from conformance.values import Batch, Case, Severity, Tier
from reference.formats import FORMATS
from reference.ops import LOG_SOFTMAX, SOFTMAX, Op

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

VACUOUS = ("zeros", "uniform", "copy", "rolled")

RIGHT = {"single": set(VACUOUS), "all_equal": {"uniform", "rolled"}}
"""A row of one logit has one answer, and equal logits have that of any other."""


@cache
def asked(family: str, op: Op, dtype: str) -> list[Judge]:
    """The judge of each batch in which one answer is right."""
    found = cases(FORMATS[dtype], (op,), families=[family], tier=Tier.SMOKE, seed=0)
    kept = (case for case in found if not case.raises and (case.inputs.dtype != dtype or not case.policy))
    return [Judge(batch) for batch in batches(kept) if batch.logits.size]


def vacuous(name: str, judge: Judge) -> np.ndarray:
    """The answer, representable in the format."""
    batch: Batch = judge.batch
    x, n = batch.logits, batch.logits.shape[batch.call.axis]
    if name == "zeros":
        return np.zeros_like(x)
    if name == "uniform":
        return batch.format.quantise(np.full_like(x, -np.log(n) if batch.op.log else 1 / n))
    if name == "copy":
        return x
    return np.roll(judge.question.expected, 1, batch.call.axis)


def severities(name: str, judge: Judge) -> Iterator[tuple[Case, Severity]]:
    judged = judge.judge(answered(judge.batch, vacuous(name, judge)))
    yield from zip(judge.batch.cases, (one.severity for one in judged), strict=True)


FORWARD_FAMILIES = [name for name, family in families().items() if not family.takes_cotangent]

EVERY = [
    (family, dtype) for family in FORWARD_FAMILIES for dtype in FORMATS if family != "dtypes" or dtype == "float32"
]
"""Arrays of other dtypes ride with the default float."""

EVERY_VJP = [(family, dtype) for family in families() if family not in FORWARD_FAMILIES for dtype in FORMATS]

VACUOUS_VJPS = ("zeros", "cotangent", "no mean", "rolled", "negated")


@FORWARD_OPS
@pytest.mark.parametrize("name", VACUOUS)
@pytest.mark.parametrize(("family", "dtype"), EVERY)
def test_every_family_rejects_what_looks_at_nothing(family: str, name: str, op: Op, dtype: str) -> None:
    if name in RIGHT.get(family, ()) and (name, op) not in {("zeros", SOFTMAX), ("copy", LOG_SOFTMAX)}:
        pytest.skip(f"{name} is the right answer, or may be, to the rows of {family}")

    found = [severity for judge in asked(family, op, dtype) for _, severity in severities(name, judge)]

    assert Severity.VIOLATION in found


@pytest.mark.parametrize(("family", "dtype"), EVERY)
def test_zeros_are_rejected_on_every_row(family: str, dtype: str) -> None:
    """Nothing is a legal answer to a row of -inf alone, and to no other."""
    for judge in asked(family, SOFTMAX, dtype):
        for case, severity in severities("zeros", judge):
            if not (case.logits == -np.inf).all(axis=case.call.axis).any():
                assert Severity.VIOLATION is severity, case.name


def vacuous_vjp(name: str, judge: Judge) -> np.ndarray:
    """An answer to a vjp that leaves out what matters, representable in the format."""
    batch, right = judge.batch, judge.question.expected
    g = batch.inputs.cotangent
    assert g is not None
    if name == "zeros":
        return np.zeros_like(right)
    if name == "no mean" and not batch.op.log:
        p = SOFTMAX.truth(batch.logits, batch.call.axis, format=batch.format).rounded(batch.format)
        with np.errstate(invalid="ignore"):
            return batch.format.quantise(p * g)
    if name in ("cotangent", "no mean"):
        return g
    return -right if name == "negated" else np.roll(right, 1, batch.call.axis)


@VJPS
@pytest.mark.parametrize("name", VACUOUS_VJPS)
@pytest.mark.parametrize(("family", "dtype"), EVERY_VJP)
def test_every_family_of_cotangents_rejects_what_leaves_something_out(
    family: str, name: str, op: Op, dtype: str
) -> None:
    if not families()[family].asks(op):
        pytest.skip(f"its rows are no questions of {op}")
    found = [
        judged.severity
        for judge in asked(family, op, dtype)
        for judged in judge.judge(answered(judge.batch, vacuous_vjp(name, judge)))
    ]

    assert Severity.VIOLATION in found


@pytest.mark.parametrize("n", [2, 1000, 100_000])
@DTYPES
@VJPS
def test_length_hides_nothing_of_a_gradient(op: Op, dtype: str, n: int) -> None:
    """In 16 bits the capped loose bound is as large as what cancels (docs/error-bounds.md): such an answer is degraded."""
    format: Format = FORMATS[dtype]
    x = format.quantise(np.linspace(-4, 4, n))
    g = format.quantise(np.where(np.arange(n) % 3 == 0, 1.0, -0.25))
    judge = Judge(batch_of([x], op, dtype, cotangents=[g]))
    for name in VACUOUS_VJPS:
        (judged,) = judge.judge(answered(judge.batch, vacuous_vjp(name, judge)))
        legal = {Severity.VIOLATION} if format.precision >= 24 else {Severity.VIOLATION, Severity.DEGRADED}
        assert judged.severity in legal, name


@pytest.mark.parametrize("n", [2, 1000, 100_000, 1_000_000])
@DTYPES
@FORWARD_OPS
def test_length_hides_nothing(op: Op, dtype: str, n: int) -> None:
    format: Format = FORMATS[dtype]
    x = format.quantise(np.linspace(-4, 4, n))
    judge = Judge(batch_of([x], op, dtype))
    for name in VACUOUS[:3]:
        assert [Severity.VIOLATION] == [severity for _, severity in severities(name, judge)], name
    other = op.truth(format.quantise(x * 0.5), -1, format=format).rounded(format)[None]
    (judged,) = judge.judge(answered(judge.batch, other))
    assert Severity.VIOLATION is judged.severity
