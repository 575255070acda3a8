"""No family lets an answer pass that looks at nothing: zeros, a uniform row, a copy, the truth of another row."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conformance.cases import cases, families
from conformance.execution.batches import batches
from conformance.judgement import Judge
from conformance.values import Answered, Batch, Case, Severity, Tier
from reference.formats import FORMATS
from reference.truth import truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

VACUOUS = ("zeros", "uniform", "copy", "rolled")

RIGHT = {"single": set(VACUOUS), "all_equal": {"uniform", "rolled"}}
"""A row of one logit has one answer, and equal logits have that of any other."""


@cache
def judge() -> Judge:
    return Judge()


@cache
def asked(family: str, op: str, dtype: str) -> list[Batch]:
    found = cases(FORMATS[dtype], (op,), families=[family], tier=Tier.SMOKE, seed=0)
    return [b for b in batches(c for c in found if not c.raises and (c.sent or not c.policy)) if b.values.size]


def vacuous(name: str, batch: Batch) -> np.ndarray:
    """The answer, representable in the format."""
    x, n = batch.values, batch.values.shape[batch.axis]
    if name == "zeros":
        return np.zeros_like(x)
    if name == "uniform":
        return batch.format.quantise(np.full_like(x, 1 / n if batch.op == "softmax" else -np.log(n)))
    if name == "copy":
        return x
    return np.roll(judge().question(batch).expected, 1, batch.axis)


def severities(name: str, batch: Batch) -> Iterator[tuple[Case, Severity]]:
    stored = batch.format.encode(vacuous(name, batch))
    judged = judge().judge(batch, Answered(batch.format.name, stored.shape, stored, 0.0))
    yield from zip(batch.cases, (one.severity for one in judged), strict=True)


EVERY = [(family, dtype) for family in families() for dtype in FORMATS if family != "dtypes" or dtype == "float32"]
"""Arrays of other dtypes ride with the default float."""


@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
@pytest.mark.parametrize("name", VACUOUS)
@pytest.mark.parametrize(("family", "dtype"), EVERY)
def test_every_family_rejects_what_looks_at_nothing(family: str, name: str, op: str, dtype: str) -> None:
    if name in RIGHT.get(family, ()) and (name, op) not in {("zeros", "softmax"), ("copy", "log_softmax")}:
        pytest.skip(f"{name} is the right answer, or may be, to the rows of {family}")

    found = [severity for batch in asked(family, op, dtype) for _, severity in severities(name, batch)]

    assert Severity.VIOLATION in found


@pytest.mark.parametrize(("family", "dtype"), EVERY)
def test_zeros_are_rejected_on_every_row(family: str, dtype: str) -> None:
    """Nothing is a legal answer to a row of -inf alone, and to no other."""
    for batch in asked(family, "softmax", dtype):
        for case, severity in severities("zeros", batch):
            if not (case.values == -np.inf).all(axis=case.axis).any():
                assert Severity.VIOLATION is severity, case.name


@pytest.mark.parametrize("n", [2, 1000, 100_000, 1_000_000])
@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_length_hides_nothing(op: str, dtype: str, n: int) -> None:
    format: Format = FORMATS[dtype]
    x = format.quantise(np.linspace(-4, 4, n))
    batch = Batch((Case("vacuity", "ramp", op, dtype, x),))
    for name in VACUOUS[:3]:
        assert [Severity.VIOLATION] == [severity for _, severity in severities(name, batch)], name
    other = truth(op, format.quantise(x * 0.5), format=format).rounded(format)[None]
    (judged,) = judge().judge(batch, Answered(dtype, other.shape, format.encode(other), 0.0))
    assert Severity.VIOLATION is judged.severity
