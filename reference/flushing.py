"""Refuses to compute on a thread whose processor replaces subnormal numbers by zero."""

from __future__ import annotations

import numpy as np


class FlushesSubnormals(RuntimeError):
    """The thread replaces subnormal numbers by zero, under which no truth is true."""


def refuse_flushing() -> None:
    """Multiply a subnormal number, to see whether this thread still has such numbers.

    Raises
    ------
    FlushesSubnormals
        If it has not, as after ``torch.set_flush_denormal(True)``, which sets the processor for NumPy too.
    """
    if not (np.full(1, 2.0**-1070) * np.full(1, 0.5)).any():
        raise FlushesSubnormals("subnormal numbers are flushed on this thread; the truth needs them")
