"""Rows that have a number: element k of row i holds the bits ``base + ((i >> shift) & mask)``.

A sweep asks millions of rows that nobody has to send: the suite says which numbers, and a worker makes the rows, as bits
of the storage dtype.  Both halves of the project make them by this function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BITS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
"""Bytes of a storage dtype → the unsigned dtype of its bits."""


def shape(lanes: Sequence[Sequence[int]], count: int, axis: int) -> tuple[int, int]:
    """Of an array of so many rows: (lanes, count) along axis 0, (count, lanes) along axis −1."""
    return (len(lanes), count) if axis == 0 else (count, len(lanes))


def rows(lanes: Sequence[Sequence[int]], start: int, count: int, step: int, storage: str, axis: int) -> NDArray[Any]:
    """The rows ``start``, ``start + step``, …, ``count`` of them, in the storage dtype.

    Parameters
    ----------
    lanes
        (base, shift, mask) of each element of a row.
    axis
        Of the rows; see :func:`shape`.
    """
    kind = BITS[np.dtype(storage).itemsize]
    made = np.empty(shape(lanes, count, axis), kind)
    number = np.arange(count, dtype=np.uint64) * np.uint64(step) + np.uint64(start)
    for k, (base, shift, mask) in enumerate(lanes):
        bits = (number >> np.uint64(shift)) & np.uint64(mask)
        made[(k,) if axis == 0 else (slice(None), k)] = bits + np.uint64(base)
    return made.view(storage)
