"""Additive masks: logits pushed out of the row by -inf, by the lowest number, by -1e9 or by -1e4.

A masked lane is a logit plus a large negative number, rounded to the format, and the four customs
differ in what is left.  -inf leaves p = 0 exactly; a block of nothing else has no maximum, and
-inf - (-inf) in it is NaN, which an online softmax carries into blocks that are fine.  The lowest
number absorbs the logit, unless that is huge itself: twice the lowest overflows to -inf, and the
largest logit under it comes back as 0, in competition with what was to win.  -1e9 and -1e4 leave the
logit rounded to their unit in the last place (64 for -1e9 in float32, 8 for -1e4 in float16), and
a logit of 1e9 or 1e4 undoes them.  A row masked as a whole by a finite number has an
answer like any other: the softmax of what the rounding left, uniform where that is nothing.  A kernel
must not know a mask when it sees one.  (A row of -inf alone is asked with the special values.)

Prefixes stand for the rows of a causal mask, with one lane, half and all but one of them open; every
other lane is open in a pattern no block can skip; one open lane at the first, middle and last place
leaves whole blocks masked before it, behind it and on both sides.

Nor is -0 a mask, though its bits are those of the lowest integer and an array of zeros may have been
multiplied by -1: below a positive winner it is a logit of 0.

The smoke tier has the one open lane at the last place and the row masked as a whole, at two lengths:
what a guard or a block gets wrong; the one open lane also behind 4,096 masked ones, for slices of every
width up to that.  The standard tier has all patterns at four lengths, since rows of a length travel
as one array, and one open lane at places of longer rows.

First known victims: flash-attention's cross entropy, NaN for one finite logit at place 50,000 of
100,000 (Dao-AILab/flash-attention#1930); PyTorch's attention on a row of the lowest number, uniform on
one device and NaN on the other (pytorch/pytorch#103963); Flax in float16, whose bias overflowed
(google/flax#982); JAX, where the lowest float64 became -inf in float32 (jax-ml/jax#37422); Keras, with
another answer than JAX for a row masked as a whole (keras-team/keras#21123); PaddleOCR, NaN
from causal masks at large shapes alone (PaddlePaddle/PaddleOCR#18341).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._ladder import LONGEST_SMOKE, first_middle_last
from conformance.cases._numbers import nearest_finite, nearest_finite_one
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from reference.formats import Format

    Open = NDArray[np.bool_]

SPREAD = 2.0
"""Standard deviation of the logits."""

SIZES = (2, 17, 257, 1024)

SMOKE = {"one@1,n=2", "one@16,n=17", "none,n=17", "one@1023,n=1024", "one@4096,n=4097"}


def masks(format: Format) -> dict[str, float]:
    """What is added to a masked lane."""
    return {
        "-inf": -np.inf,
        "min": -format.max,
        "-1e9": nearest_finite_one(format, -1e9),
        "-1e4": nearest_finite_one(format, -1e4),
    }


def patterns(n: int) -> dict[str, Open]:
    """Which lanes are open."""
    lanes = np.arange(n)
    return {
        "none": lanes < 0,
        **{f"one@{place}": lanes == place for place in first_middle_last(n)},
        f"prefix={n // 2}": lanes < n // 2,
        f"prefix={n - 1}": lanes < n - 1,
        "even": lanes % 2 == 0,
        "odd": lanes % 2 == 1,
    }


def masked(format: Format, logits: NDArray[np.float64], open_: Open, mask: float) -> NDArray[np.float64]:
    """The logits with the mask added in the format; where that overflows, it does."""
    with np.errstate(over="ignore"):
        return format.quantise(logits + np.where(open_, 0.0, mask))


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Every pattern and mask over one row of logits a length, huge logits under masks, a long row."""
    for n in SIZES:
        logits = nearest_finite(format, rng.normal(0, SPREAD, n))
        for pattern, open_ in patterns(n).items():
            for name, mask in masks(format).items():
                if open_.any() or name != "-inf":
                    tier = Tier.SMOKE if f"{pattern},n={n}" in SMOKE else Tier.STANDARD
                    yield Row(f"{name},{pattern},n={n}", masked(format, logits, open_, mask), tier=tier)
        for under in ("max", "-max"):
            huge = np.where(patterns(n)["even"], logits, format.max if under == "max" else -format.max)
            for name, mask in masks(format).items():
                yield Row(f"{name},even,under={under},n={n}", masked(format, huge, patterns(n)["even"], mask))
    # Logits that lie below what implementations put in the place of -inf, and a first block that is all masked.
    for n in (2, 17, 4097):
        for name, level in (("-2e4", nearest_finite_one(format, -2e4)), ("-max", -format.max)):
            low, last = np.full(n, level), patterns(n)[f"one@{n - 1}"]
            yield Row(f"-inf,one@{n - 1},logits={name},n={n}", masked(format, low, last, -np.inf), tier=Tier.SMOKE)
    for n in (257, 1024):
        logits = nearest_finite(format, rng.normal(0, SPREAD, n))
        tier = Tier.SMOKE if n == 257 else Tier.STANDARD
        yield Row(f"-inf,second-half,n={n}", masked(format, logits, np.arange(n) >= n // 2, -np.inf), tier=tier)
    yield from _alone(format, rng)
    yield from _minus_zeros(format, rng)


def _alone(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """One open lane in rows of many slices."""
    for n in (4097, 8193, 100_000, LONGEST_SMOKE):
        logits = nearest_finite(format, rng.normal(0, SPREAD, n))
        places = {100_000: (n // 2, n - 1), LONGEST_SMOKE: (n - 1,)}
        for place in places.get(n, first_middle_last(n)):
            name = f"one@{place},n={n}"
            tier = Tier.SMOKE if name in SMOKE else Tier.STANDARD
            yield Row(f"-inf,{name}", masked(format, logits, np.arange(n) == place, -np.inf), tier=tier)


def _minus_zeros(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """-0 below winners of at least 1."""
    for n in SIZES:
        winners = 1 + np.abs(nearest_finite(format, rng.normal(0, SPREAD, n)))
        for name, lanes in (("one-other", np.arange(n) == n - 1), ("every-other", np.arange(n) % 2 == 1)):
            tier = Tier.SMOKE if n in (2, 17) else Tier.STANDARD
            yield Row(f"-0,{name},n={n}", np.where(lanes, -0.0, nearest_finite(format, winners)), tier=tier)
