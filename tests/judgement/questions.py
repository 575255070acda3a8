"""Batches of rows, and what the judge says of an answer to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conformance.judgement import Judge
from conformance.values import Answered, Batch, Call, Case, Inputs, Judgement
from reference.formats import FORMATS
from reference.ops import FORWARD, OPS, SOFTMAX, Op

FORWARD_OPS = pytest.mark.parametrize("op", FORWARD, ids=str)
VJPS = pytest.mark.parametrize("op", [op for op in OPS.values() if op.takes_cotangent], ids=str)
DTYPES = pytest.mark.parametrize("dtype", FORMATS)


def batch_of(
    rows: Any, op: Op = SOFTMAX, dtype: str = "float32", *, axis: int = -1, cotangents: Any = None, **more: Any
) -> Batch:
    """One case a row; a row of more than one dimension, or with another axis, is a batch of its own."""
    cases = []
    for i, row in enumerate(rows):
        x = np.array(row, dtype=float)
        cotangent = None if cotangents is None else np.array(cotangents[i], dtype=float)
        inputs = Inputs(x, more.get("sent", dtype), cotangent=cotangent)
        flags = {name: value for name, value in more.items() if name != "sent"}
        cases.append(Case(op, FORMATS[dtype], "family", str(i), inputs, Call(axis=axis), x, **flags))
    return Batch(tuple(cases))


def due(asked: Batch) -> np.ndarray:
    """The correctly rounded truth: the answer that must always pass."""
    return Judge(asked).question.expected.reshape(asked.logits.shape)


def answered(asked: Batch, got: Any, dtype: str = "", **more: Any) -> Answered:
    """An answer in the format that is due, or in another one; its numbers are representable there."""
    stored = FORMATS[dtype or asked.format.name].encode(np.asarray(got, dtype=float))
    return Answered(dtype or asked.format.name, stored.shape, stored, 0.0, **more)


def judge(asked: Batch, got: Any, **more: Any) -> tuple[Judgement, ...]:
    return Judge(asked).judge(answered(asked, got, **more))


def kinds_of(judgement: Judgement) -> set[str]:
    return {finding.kind for finding in judgement.findings}


def choices_of(judgement: Judgement) -> list[str]:
    return [str(choice) for choice in judgement.choices]
