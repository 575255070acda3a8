"""Which row lengths are asked?  Few, around the widths of vectors and blocks.

Rows of equal length travel as one array, and a compiled mode compiles each shape anew (up to seconds
a shape), so every family takes its lengths from here and nobody adds one in passing.

Kernels change their path where a row fills a vector, and treat the rest in a scalar tail: an AVX2
vector holds 4 doubles or 8 floats, an AVX-512 vector 16 floats or 32 halves, a warp 32 lanes, and
common GPU kernels keep rows up to 1024 in registers and switch to blocks after that.  Hence powers
of two, one less (the longest tail) and one more (the shortest).  257 also is where a sum of equal
terms stalls in 8 bits of precision, and 4097 where it stalls in 11 (the first such sum is at 2049).
"""

from __future__ import annotations

from conformance.values import Tier

LENGTHS = (1, 2, 3, 4, 7, 8, 9, 17, 33, 64, 127, 257, 1024, 1025, 4096, 4097)
"""Every row length of the standard tier."""

SMOKE_LENGTHS = (1, 2, 3, 17, 257)
"""The lengths of the smoke tier: one element, one tail, one vector and a tail, many vectors."""

EDGES = (2, 3, 17, 257, 4097)
"""A short walk through the ladder, for families whose point is not the length."""


def lowest_tier(n: int) -> Tier:
    """The lowest tier in which a row of this length may be asked."""
    return Tier.SMOKE if n in SMOKE_LENGTHS else Tier.STANDARD


def first_middle_last(n: int) -> tuple[int, ...]:
    """The three places of a row that loops get wrong, without repeats."""
    return tuple(sorted({0, n // 2, n - 1}))
