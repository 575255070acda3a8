"""Cuts work into blocks that stay in the cache, and shares them between the cores."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Each = Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]]

SHORT = 32
"""Rows up to this length lie side by side in a block, so that the inner loops run over many rows."""

# The C library gives freed memory back to the system, and each temporary array then costs a page fault for each
# 4 KiB: more than the arithmetic.  Freeing one large array teaches glibc to keep as much (mallopt(3), the dynamic
# threshold); elsewhere it does nothing.
np.empty(2**21)


def pieces(length: int, axis: int, size: int) -> list[tuple[slice, slice]]:
    """Where the pieces of a row, about equal and of at most ``size``, are in a matrix whose rows lie along ``axis``."""
    count = max(1, -(-length // size))
    ends = [length * i // count for i in range(count + 1)]
    along = [slice(start, end) for start, end in pairwise(ends)]
    return [(piece, slice(None)) if axis == 0 else (slice(None), piece) for piece in along]


@contextmanager
def threads(size: int, block: int) -> Iterator[Each]:
    """A map over all items, without warnings, on the cores this process may use if the work is worth it."""

    def over(mapper: Callable[..., Iterable[Any]]) -> Each:
        def each(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
            def quiet(item: Any) -> Any:
                with np.errstate(all="ignore"):  # the setting is each thread's own
                    return function(item)

            return list(mapper(quiet, items))

        return each

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < 2 or size < 4 * block:
        yield over(map)
        return
    with ThreadPoolExecutor(cores) as pool:
        yield over(pool.map)


def one_by_one(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Apply the function to each item on this thread: the map to use inside of another one."""
    return [function(item) for item in items]
