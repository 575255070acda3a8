"""Rows that nobody can have been tuned to: lengths, places of the winner, gaps, masks and shapes drawn from the seed.

Every other family asks numbers that stand in its source, and a kernel may have come to be right at just those: somebody
ran this suite until it was silent, or a dispatcher has a path for round lengths and one for all others.  A fault at 50
logits, at three blocks of 1024, or at the one lane that a search for the maximum steps over is met by no list.  Here a
run draws from its seed, which the record keeps: the default seed is fixed, so that two runs compare, and ``--seed``
asks others.  Of a fault at one length in a hundred a run finds little; a project that takes another seed every night
finds it in weeks.

- One length is drawn between each two steps of the ladder (:data:`SPANS`), and one multiple of 1024.  A row of each
  has ordinary logits of a drawn scale; one has a winner at a drawn place and one at the last, ahead by a gap beyond
  every exponential, so that a maximum which does not see it overflows, and a sum which does not is 0; one has two
  such winners and a drawn gap between them and the rest; and one is masked by -inf but for a drawn window.
- At lengths of the ladder, where rows travel with those of other families, there are winners at further places.
- Arrays of two to four axes have drawn sizes and are asked along a drawn axis.

The smoke tier has two of the lengths, a few of the places and one array, so that compilers meet three more shapes.

First known victims: kernels of this project's own tests that are right at every fixed length; and at lengths that no
list would hold PyTorch's CUDA softmax of 517 and of 781 doubles (pytorch/pytorch#143644, pytorch/pytorch#147284).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from conformance.cases._ladder import LONGEST_SMOKE
from conformance.cases._numbers import across_binades, nearest_finite
from conformance.cases._row import Row
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

SPANS = (
    ((34, 63), Tier.SMOKE),
    ((1026, 4094), Tier.SMOKE),
    ((10, 32), Tier.STANDARD),
    ((65, 256), Tier.STANDARD),
    ((258, 1023), Tier.STANDARD),
    ((4098, 31_999), Tier.STANDARD),
    ((32_001, 65_536), Tier.STANDARD),
)
"""The shortest and the longest of a length to be drawn, and its tier."""

BLOCK, BLOCKS = 1024, (2, 31)
"""One length is a multiple of this, by a factor between these two."""

PLACES = ((17, 2, 4), (257, 4, 8), (4097, 2, 8), (LONGEST_SMOKE, 0, 1))
"""Length of the ladder, and winners at drawn places in the smoke tier and in the standard tier."""

ARRAYS = ((3, Tier.SMOKE), (2, Tier.STANDARD), (4, Tier.STANDARD), (4, Tier.STANDARD))
"""Rank of an array, and its tier."""

SIZES = (2, 13)
"""The smallest and the largest size of an axis."""

BEYOND = (750.0, 2000.0)
"""Gaps at which exp overflows in every format, and the other way round is 0."""

LEVEL = 1000.0
"""Logits lie around a number between minus this and this."""


def rows(format: Format, rng: np.random.Generator) -> Iterator[Row]:
    """Five rows of each drawn length, winners at drawn places of fixed lengths, arrays of drawn shapes."""
    for (shortest, longest), tier in SPANS:
        yield from _of_length(format, rng, int(rng.integers(shortest, longest + 1)), tier)
    # Which may be one of those.
    for row in _of_length(format, rng, BLOCK * int(rng.integers(BLOCKS[0], BLOCKS[1] + 1)), Tier.STANDARD):
        yield replace(row, name=f"blocks,{row.name}")
    for n, smoke, standard in PLACES:
        for i, place in enumerate(rng.choice(n, standard, replace=False).tolist()):
            row = _winner(format, rng, n, place, Tier.SMOKE if i < smoke else Tier.STANDARD)
            yield replace(row, name=f"ladder,{row.name}")
    for i, (rank, tier) in enumerate(ARRAYS):
        shape = tuple(rng.integers(SIZES[0], SIZES[1] + 1, rank).tolist())
        axis = int(rng.integers(-rank, rank))
        others = tuple(1 if axis in (place, place - rank) else size for place, size in enumerate(shape))
        values = rng.uniform(-LEVEL, LEVEL, others) + rng.normal(0, 4, shape)
        name = f"array-{i},{'x'.join(map(str, shape))},axis={axis}"
        yield Row(name, nearest_finite(format, values), axis=axis, tier=tier, alone=True)


def _of_length(format: Format, rng: np.random.Generator, n: int, tier: Tier) -> Iterator[Row]:
    scale, level = across_binades(rng, -3, 5), rng.uniform(-LEVEL, LEVEL)
    yield Row(f"normal,n={n}", nearest_finite(format, rng.normal(level, scale, n)), tier=tier)
    for place in (int(rng.integers(n - 1)), n - 1):
        yield _winner(format, rng, n, place, tier)
    two, gap = (int(rng.integers(n - 1)), n - 1), rng.uniform(0.5, 40)
    values = np.where(np.isin(np.arange(n), two), gap, 0.0)
    yield Row(f"two@{two[0]},{two[1]},n={n}", nearest_finite(format, values), tier=tier)
    first, last = np.sort(rng.choice(n, 2, replace=False)).tolist()
    logits = nearest_finite(format, rng.normal(level, 2, n))
    window = (np.arange(n) >= first) & (np.arange(n) <= last)
    yield Row(f"open@{first}-{last},n={n}", np.where(window, logits, -np.inf), tier=tier)


def _winner(format: Format, rng: np.random.Generator, n: int, place: int, tier: Tier) -> Row:
    """One logit ahead of all others by a gap beyond every exponential."""
    level, gap = rng.uniform(-LEVEL, LEVEL), rng.uniform(*BEYOND)
    values = np.where(np.arange(n) == place, level + gap, level)
    return Row(f"max@{place},n={n}", nearest_finite(format, values), tier=tier)
