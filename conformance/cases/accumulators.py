"""Sums that stall or overflow: many equal terms, and small terms beside a large one that add up.

A running sum of p bits takes no further one at 2**p, since 2**p + 1 rounds back to it: 256 in
bfloat16, 2048 in float16, 2**24 in float32.  At the stall nothing is lost yet (one term too many is
less than a rounding), so rows are longer: a sum stuck at 256 or 2048 is wrong by a factor at 4097
terms and at 100,000.  A sum in float16 also overflows, if it does not stall: its largest number is
65,504 and everything from 65,520 on rounds to inf, in pairwise sums too, so 65,537 terms are past it.
A sum in float32 is asked past its stall by a sixteenth, beyond every error bound.

A *swamp* is one zero among losers whose terms are below half a unit in the last place of 1: a
running sum that has met the winner drops each of them, one that meets it last keeps them, and a sum
by blocks or in pairs keeps most.  Losers of a gap of (p + 1)·log 2 have terms of 2**-(p+1), a quarter
of a unit in p bits, and with n of them n·2**-(p+1) is lost.  Losers of a gap of log(n - 1) weigh as
much as the winner, whose probability is 1/2 and not 1.  A *staircase* is the hardest order: the sum
is led to 1, 2, 4, 8 and 16 by zeros, and at each step meets many terms just below half a unit of what
it is, so that all are lost and no single large step shows it.  Its mirror image starts with the small
terms and loses little.  A swamp or staircase is asked where what a sum in the accumulator's format
loses is at least two units in the last place of the row's format, and no more than twice the rest.

A batched kernel may keep its sums narrower than one for a single row: eight equal rows are past the
stall of bfloat16, in one array of their own.

Along another axis than the last NumPy and many kernels add whole rows one after another, where the
same library adds pairwise along the last: columns hold equal terms, a swamp and a staircase side by
side.  Columns that are longer than an index of 16 bits have equal terms and a swamp whose winner comes
last, and are asked again with nothing but that winner.

A sum that takes a part of a long row alone (its first wave of blocks, its first 200,000 lanes) is too
small by what is left out, which shows where all terms are equal.

The smoke tier has two rows of 202,048 and two shapes of columns, one of them longer than an index of
16 bits: a float16 or bfloat16 sum anywhere is found by them, and a float32 sum needs more places.  The
standard tier has every place, 65,537 and 262,144; the exhaustive tier a million.  The stall of float32
takes seventeen million terms: exhaustive, in float32 alone.

First known victims: candle's float16 softmax of 4096 zeros, stuck at 2048, whose rows summed to 2.0
(huggingface/candle#3727); MXNet, which reduced in float16 (apache/mxnet#14072); ONNX Runtime's float16
softmax on WebGPU, wrong on long rows (microsoft/onnxruntime#24577); JAX's gradient in float16, whose
sum over 2**16 elements overflowed (jax-ml/jax#40409).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._ladder import LONGEST_SMOKE, first_middle_last
from conformance.cases._numbers import LOG2, nearest_finite_one
from conformance.cases._row import Row
from conformance.values import Tier
from reference.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from reference.formats import Format

STEPS = 5
"""A staircase leads its sum through 2**0 to 2**(STEPS - 1)."""

MARGIN = 1 / 16
"""How far below half a unit in the last place a staircase stays, as a share: exp may be off by a rounding."""


def swamp(format: Format, bits: float, n: int, place: int) -> NDArray[np.float64]:
    """One zero among losers whose terms are 2**-bits."""
    return np.where(np.arange(n) == place, 0.0, -nearest_finite_one(format, bits * LOG2))


def staircase(format: Format, accumulator: Format, n: int) -> NDArray[np.float64]:
    """Zeros that lead the sum to each power of two, each followed by terms just below half its unit."""
    zeros = 2 ** (STEPS - 1)
    counts = np.full(STEPS, (n - zeros) // STEPS)
    counts[-1] += (n - zeros) % STEPS
    steps = []
    for step, count in enumerate(counts):
        gap = (accumulator.precision - step) * LOG2 + MARGIN
        spacing = float(format.ulp(gap))
        steps += [np.zeros(max(1, 2**step // 2)), np.full(count, -math.ceil(gap / spacing) * spacing)]
    return np.concatenate(steps)


def lost(n: int, accumulator: Format) -> float:
    """What a running sum loses of a swamp or, within a factor of two, of a staircase, as a share of the rest."""
    return (n - 1) * accumulator.unit_roundoff / 2


def asked(format: Format, n: int) -> list[Format]:
    """The accumulators whose loss at this length shows in the format, and is not all there is."""
    return [other for other in FORMATS.values() if 4 * format.unit_roundoff <= lost(n, other) <= 2]


def rows(format: Format, _rng: np.random.Generator) -> Iterator[Row]:
    """Equal terms, swamps of every accumulator, staircases, columns, and the stall of float32."""
    for n in (256, 2049, 65_537, 100_000, LONGEST_SMOKE, 262_144):
        yield Row(f"all=+0,n={n}", np.zeros(n), tier=Tier.SMOKE if n == LONGEST_SMOKE else Tier.STANDARD)
    for n in (257, 4097, 65_537, 100_000, LONGEST_SMOKE):
        for place in first_middle_last(n) if n < 100_000 else (0, n - 1):
            tier = Tier.SMOKE if (n, place) == (LONGEST_SMOKE, n - 1) else Tier.STANDARD
            yield Row(f"half,win@{place},n={n}", swamp(format, math.log2(n - 1), n, place), tier=tier)
    for n in (257, 4097, 65_537):
        for accumulator in asked(format, n):
            yield from _below_half_a_unit(format, accumulator, n)
    for n in (257, 4097):
        columns = _columns(format, n)
        tier = Tier.SMOKE if n == 257 else Tier.STANDARD
        yield Row(f"columns,{n}x3,axis=0", columns, axis=0, tier=tier, alone=True)
        if n == 4097:
            batch = np.tile(swamp(format, math.log2(512), 513, 0), (8, 1))
            yield Row("batch,8x513", batch, tier=Tier.SMOKE, alone=True)
            second = np.tile(swamp(format, math.log2(512), 513, 1), (8, 1))
            yield Row("batch-second,8x513", second, tier=Tier.SMOKE, alone=True)
            yield Row(f"columns,2x{n}x3,axis=1", np.stack([columns, columns[::-1]]), axis=1, alone=True)
    yield from _long_columns(format)
    yield Row(f"all=+0,n={2**20 + 1}", np.broadcast_to(0.0, 2**20 + 1), tier=Tier.EXHAUSTIVE)
    if format.name == "float32":
        # One number in memory, whatever its length: lower tiers pay nothing for this row.
        n = 17 * 2 ** (format.precision - 4) + 1
        yield Row(f"all=+0,n={n}", np.broadcast_to(0.0, n), tier=Tier.EXHAUSTIVE)


def _below_half_a_unit(format: Format, accumulator: Format, n: int) -> Iterator[Row]:
    """What a running sum of one accumulator drops: swamps at three places, a staircase, its mirror image."""
    name = f"acc={accumulator.name}"
    for place in first_middle_last(n):
        values = swamp(format, accumulator.precision + 1, n, place)
        yield Row(f"swamp,{name},win@{place},n={n}", values)
    stairs = staircase(format, accumulator, n)
    yield Row(f"staircase,{name},n={n}", stairs)
    if n < 65_537:
        yield Row(f"staircase-mirrored,{name},n={n}", stairs[::-1].copy())


def _columns(format: Format, n: int) -> NDArray[np.float64]:
    """Equal terms, a swamp as heavy as its winner, and the staircase of the narrowest accumulator asked."""
    accumulator = (asked(format, n) or [FORMATS["bfloat16"]])[-1]
    half = swamp(format, math.log2(n - 1), n, 0)
    return np.stack([np.zeros(n), half, staircase(format, accumulator, n)], axis=-1)


def _long_columns(format: Format) -> Iterator[Row]:
    """Two columns beyond an index of 16 bits, and the same with winners alone behind it."""
    n = 2**16 + 1
    columns = np.stack([np.zeros(n), swamp(format, math.log2(n - 1), n, n - 1)], axis=-1)
    yield Row(f"columns,{n}x2,axis=0", columns, axis=0, tier=Tier.SMOKE, alone=True)
    last = np.repeat(np.where(np.arange(n) == n - 1, 1000.0, -1000.0)[:, None], 2, axis=1)
    yield Row(f"last,{n}x2,axis=0", last, axis=0, tier=Tier.SMOKE, alone=True)
