"""The row lengths that are asked: few, around the widths of vectors and blocks.

Rows of equal length travel as one array, and a compiled mode compiles each shape anew (up to seconds
a shape), so every family takes its lengths from here and nobody adds one in passing.

Kernels change their path where a row fills a vector, and treat the rest in a scalar tail: an AVX2
vector holds 4 doubles or 8 floats, an AVX-512 vector 16 floats or 32 halves, a warp 32 lanes, and
common GPU kernels keep rows up to 1024 in registers and switch to blocks after that.  Hence powers
of two, one less (the longest tail) and one more (the shortest).  257 also is where a sum of equal
terms stalls in 8 bits of precision, and 4097 where it stalls in 11 (the first such sum is at 2049).

Only the families whose point is the length go beyond that ladder: further steps around blocks, and
rows as long as the vocabularies of language models.
"""

from __future__ import annotations

from conformance.values import Tier

LENGTHS = (1, 2, 3, 4, 7, 8, 9, 17, 33, 64, 127, 257, 1024, 1025, 4096, 4097)
"""The row lengths that any family of the standard tier may ask."""

SMOKE_LENGTHS = (1, 2, 3, 17, 257)
"""The same for the smoke tier: one element, one tail, one vector and a tail, many vectors."""

EDGES = (2, 3, 17, 257, 4097)
"""A short walk through the ladder, for families whose point is not the length."""

FURTHER = (16, 32, 256, 2049, 4095, 8193)
"""Steps for families about length: a vector and no tail, the longest tail, blocks beyond 1024 and 4096."""

LONG = (32_000, 50_257, 65_537, 100_000, 128_256, 151_936, 202_048, 262_144)
"""Vocabularies of language models, one beyond 16 bits of an index, and a round number."""

LONGEST_SMOKE = 202_048
"""The longest row of the smoke tier: a vocabulary beyond 200,000, in which a sum or a maximum that ends earlier shows.

It is no multiple of 2**16, so a length that is kept in 16 bits shows as well.
"""

SMOKE_FURTHER = (1024, 4097, LONGEST_SMOKE)
"""Lengths of the smoke tier for families about length: whole blocks, blocks and a tail, a vocabulary."""

STANDARD_LENGTHS = tuple(sorted({*LENGTHS, *FURTHER, *LONG}))
"""Every row length of the standard tier."""

RARE = (5, 6, 15, 31, 63, 65, 128, 129, 255, 511, 512, 513, 517, 781, 1023, 2047, 2048, 8191, 8192, 2**20 + 1)
"""Lengths of the exhaustive tier alone: the other sides of each step, two of published reports, and a million."""


def lowest_tier(n: int) -> Tier:
    """The lowest tier in which a row of this length may be asked."""
    if n in {*SMOKE_LENGTHS, *SMOKE_FURTHER}:
        return Tier.SMOKE
    return Tier.STANDARD if n in STANDARD_LENGTHS else Tier.EXHAUSTIVE


def first_middle_last(n: int) -> tuple[int, ...]:
    """The three places of a row that loops get wrong, without repeats."""
    return tuple(sorted({0, n // 2, n - 1}))
