"""Which rows there are: each has a number, from which suite and worker make it (:mod:`conformance.asking.numbered`)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.asking import numbered
from reference.formats import EVERY_FORMAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.values import Numbers
    from reference.formats import Format

BLOCK = 2**17
"""Rows that travel as one array: few enough for a cache, and so many that a call costs nothing beside them."""

NEAR = 2**14
"""Rows on both sides of a worst one that a search asks: the gap hardly changes, so what an exponential has of error at
it stays, and the roundings behind it fall every way."""

KINDS = {
    "gaps": "every gap d of the format: [0, -d] and [-d, 0]; in formats of more than 16 bits the d between 2^-(p + 3), below "
    "which both logits are as good as equal, and the ten above -log of the smallest number, from which on exp(-d) is zero",
    "pairs": "every pair of numbers of a format of 16 bits",
    "triples": "every three numbers of a format of 8 bits",
}
"""Kind → which rows."""

BitField = tuple[int, int, int]
"""(base, shift, mask): see :mod:`conformance.asking.numbered`."""


@dataclass(frozen=True)
class Rows:
    """Rows of one kind in one format, or every ``step``-th of them.

    Attributes
    ----------
    lanes
        (base, shift, mask) of each element: see :mod:`conformance.asking.numbered`.
    total
        How many there are.
    count, step, first
        How many are asked: the rows first, first + step, ….
    """

    kind: str
    dtype: str
    lanes: tuple[BitField, ...]
    total: int
    count: int
    step: int
    first: int = 0

    @property
    def format(self) -> Format:
        """The format of the logits, and of the answer."""
        return EVERY_FORMAT[self.dtype]

    @property
    def exhaustive(self) -> bool:
        """Whether none is left out: what is found of a sample is a lower bound."""
        return self.step == 1

    @property
    def placements(self) -> tuple[Placement, ...]:
        """How they are handed over."""
        orders = (False, True) if self.kind == "gaps" else (False,)
        return tuple(Placement(axis, reverse) for axis in (-1, 0) for reverse in orders)

    @property
    def blocks(self) -> int:
        """How many arrays they travel in."""
        return -(-self.count // BLOCK)

    def block(self, number: int) -> tuple[int, int]:
        """The first row of a block, and how many there are."""
        before = number * BLOCK
        return self.first + before * self.step, min(BLOCK, self.count - before)

    def around(self, number: int) -> Rows:
        """A row and its neighbours, :data:`NEAR` of them, on both sides."""
        first = max(0, number - NEAR // 2)
        return replace(self, first=first, count=min(NEAR, self.total - first), step=1)

    def logits(self, start: int, count: int) -> Numbers:
        """float64 of the shape (lanes, count)."""
        stored: Any = numbered.rows(self.lanes, start, count, self.step, self.format.storage, 0)
        return self.format.decode(stored)

    def row(self, number: int) -> list[float]:
        """The logits of one row."""
        return [float(value) for value in self.logits(number, 1)[:, 0]]


@dataclass(frozen=True)
class Placement:
    """How rows are handed over.

    Attributes
    ----------
    axis
        −1: an array of the shape (rows, n); 0: of the shape (n, rows).
    reverse
        Whether the lanes come in the opposite order.
    """

    axis: int
    reverse: bool

    def lanes(self, lanes: tuple[BitField, ...]) -> list[BitField]:
        """The lanes in the order in which they are handed over."""
        return list(reversed(lanes)) if self.reverse else list(lanes)

    def __str__(self) -> str:
        return f"{'last' if self.axis else 'first'} axis{', reversed' if self.reverse else ''}"


def written(dtype: str, row: Sequence[str]) -> str:
    """Hex floats with as many decimal digits as say which numbers of the format they are: ``[0, -7.625]``."""
    digits = 1 + math.ceil(EVERY_FORMAT[dtype].precision * math.log10(2))
    return f"[{', '.join(f'{float.fromhex(text):.{digits}g}' for text in row)}]"


def rows_of(kind: str, dtype: str, most: int) -> Rows | None:
    """The rows of a kind in a format; None where the format has none of that kind.

    Parameters
    ----------
    most
        At most so many rows, spread evenly over all.
    """
    format = EVERY_FORMAT[dtype]
    width = 8 * np.dtype(format.storage).itemsize
    if kind == "gaps":
        least, largest = 0.0, format.max
        if width > 16:
            least = 2.0 ** -(format.precision + 3)
            largest = 10.0 * math.ceil(-math.log(format.smallest_subnormal) / 10)
        first, last = (int(bits) for bits in format.encode([least, largest]).view(numbered.BITS[width // 8]))
        total = last - first + (width <= 16)
        lanes = [(0, 0, 0), (2 ** (width - 1) + first, 0, 2**width - 1)]
    elif kind == "pairs" and width == 16:
        total, lanes = 2**32, [(0, 16, 0xFFFF), (0, 0, 0xFFFF)]
    elif kind == "triples" and width == 8:
        total, lanes = 2**24, [(0, 16, 0xFF), (0, 8, 0xFF), (0, 0, 0xFF)]
    else:
        return None
    step = max(1, -(-total // most))
    return Rows(kind, dtype, tuple(lanes), total, len(range(step // 2, total, step)), step, step // 2)
