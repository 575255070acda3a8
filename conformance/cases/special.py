"""NaN and infinities, where a maximum, a difference or a guard against NaN loses or invents them.

By the rules of the arithmetic a NaN makes its whole row NaN, since it is in the sum; a -inf beside a
finite logit has p = 0 and log p = -inf; and a row with +inf, or of nothing but -inf, meets inf - inf
= NaN, where several answers have a name and any of them is legal, if the whole row gives the same.
What goes wrong is the maximum, which passes over a NaN where it is written as a comparison (x > m is
false), so the first and the last lane, where a loop starts and a tail ends, answer differently;
fast-math, which drops the test for NaN; exp(-inf - (-inf)); and guards written for masked rows that
turn a NaN into zeros.  Softmax and log_softmax are asked the same rows, so a target that tells two
stories is seen.  The largest finite number beside +inf shows who replaces infinity by a large number.

A special row among ordinary ones must change none of them: arrays of nine rows, along the last axis and
along the first, hold one each.

The smoke tier has the middle place at three lengths, whole rows of an infinity, and nine rows of which
one is special: one a kind of fault, and no shape of its own.  The standard tier has every place, all lengths
of the smoke ladder and two of blocks, and pairs in both orders.

First known victims: PyTorch, all NaN for [0, inf] where a user wanted one-hot (pytorch/pytorch#6864),
and JAX and SciPy after it (jax-ml/jax#21495, scipy/scipy#23225); OpenVINO, [nan, 0, 0] on one device
and all NaN on another for [inf, 1, 2] (openvinotoolkit/openvino#33456); a maximum that passes over a
NaN (openvinotoolkit/openvino#35929); MindSpore, -inf in a row with a NaN (mindspore-ai/mindspore#378);
an NPU whose exp hides NaN, uniform in the place of NaN (tenstorrent/tt-metal#56056); zeros for NaN
after a guard for masks (pytorch/pytorch#141128).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._ladder import SMOKE_LENGTHS, first_middle_last
from conformance.cases._numbers import nearest_finite
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from reference.formats import Format

SPECIALS = {"nan": np.nan, "+inf": np.inf, "-inf": -np.inf}

PAIRS = (
    ("nan", "+inf"),
    ("+inf", "nan"),
    ("nan", "-inf"),
    ("-inf", "nan"),
    ("+inf", "-inf"),
    ("-inf", "+inf"),
    ("+inf", "+inf"),
    ("-inf", "-inf"),
)
"""The first of each stands at the first place of a row, the second at the last."""

BLOCKS = (1025, 4097)
"""Lengths at which kernels go from block to block, and carry what is special along."""

SPREAD = 4.0
"""Standard deviation of the ordinary logits: none of them is large, none equal."""

BATCH = (9, 17)
"""Nine rows of which the middle one is special: a vector of rows and one more; shapes that other families ask too."""


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """One special logit, two, three, nothing else, one among the opposite, and one row of several."""
    for n in SMOKE_LENGTHS:
        yield from _of_length(n, nearest_finite(format, rng.normal(0, SPREAD, n)), format)
    for n in BLOCKS:
        ordinary = nearest_finite(format, rng.normal(0, SPREAD, n))
        for name, value in SPECIALS.items():
            for place in first_middle_last(n):
                yield _row(f"{name}@{place}", ordinary, {place: value}, smoke=n == 4097 and place == n // 2)
        yield _row("all=-inf", np.full(n, -np.inf), {})
    for name, value in SPECIALS.items():
        ordinary = nearest_finite(format, rng.normal(0, SPREAD, BATCH))
        special = ordinary.copy()
        special[4, 8] = value
        yield from _batch(f"{name}@4,8", special)
        if name != "nan":
            ordinary[4] = value
            yield from _batch(f"all={name}@4", ordinary)


def _of_length(n: int, ordinary: NDArray[np.float64], format: Format) -> Iterator[Row]:
    for name, value in SPECIALS.items():
        for place in first_middle_last(n):
            smoke = n in (2, 17) and place == n // 2
            yield _row(f"{name}@{place}", ordinary, {place: value}, smoke=smoke)
    for first, last in PAIRS if n > 1 else ():
        smoke = n == 2 and "nan" in (first, last)
        yield _row(f"{first},{last}", ordinary, {0: SPECIALS[first], n - 1: SPECIALS[last]}, smoke=smoke)
    if n > 1:
        yield _row("+inf,max", ordinary, {0: np.inf, n - 1: format.max}, smoke=n in (2, 17))
    if n > 2:
        yield _row("+inf,nan,-inf", ordinary, {0: np.inf, n // 2: np.nan, n - 1: -np.inf})
    for name, value in SPECIALS.items():
        yield _row(f"all={name}", np.full(n, value), {}, smoke=n == 17 and name != "nan")
        for others in ("+inf", "-inf"):
            yield _row(f"{name}-in-{others}", np.full(n, SPECIALS[others]), {n // 2: value})


def _row(name: str, ordinary: NDArray[np.float64], at: dict[int, float], *, smoke: bool = False) -> Row:
    values = ordinary.copy()
    for place, value in at.items():
        values[place] = value
    return Row(f"{name},n={values.size}", values, tier=Tier.SMOKE if smoke else Tier.STANDARD)


def _batch(name: str, values: NDArray[np.float64]) -> Iterator[Row]:
    """The array along its last axis, and its transpose along the first."""
    yield Row(f"{name},9x17", values, tier=Tier.SMOKE, alone=True)
    yield Row(f"{name},17x9,axis=0", np.ascontiguousarray(values.T), axis=0, alone=True)
