"""Hypothesis strategies for logits, rows, arrays, axes, memory layouts and masks of any format.

    from hypothesis import given
    from conformance import strategies
    from reference import FORMATS

    @given(strategies.rows(FORMATS["bfloat16"]))
    def test_my_softmax(row): ...

Everything shrinks: to fewer logits, then to small integers, then to zeros, so that what fails is the smallest
row that does.  Numbers are float64 and exactly representable in the format.  Needs ``hypothesis``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from reference.formats import Format

    Array = NDArray[Any]

__all__ = ["MEMORY_LAYOUTS", "arrays", "axes", "layouts", "logits", "masks", "rows"]


def logits(format: Format, *, finite: bool = True) -> st.SearchStrategy[float]:
    """One number of the format: a small integer, a landmark, or anything; NaN and ±inf where not ``finite``.

    Landmarks are zeros, ±η, ± the smallest normal and the largest number, and where exp meets a threshold.
    """
    eta, tiny, big = format.smallest_subnormal, format.smallest_normal, format.max
    edges = [float(format.quantise(np.log(v))) for v in (eta, tiny, big)]
    landmarks = [0.0, -0.0, *(sign * v for v in (eta, tiny, big, *edges) for sign in (1, -1))]
    anything = st.floats(-big, big, allow_nan=False).map(lambda v: float(format.quantise(v)))
    usual = st.floats(-100, 100, allow_nan=False).map(lambda v: float(format.quantise(v)))
    choices = [st.integers(-8, 8).map(float), usual, st.sampled_from(landmarks), anything]
    if not finite and format.has_inf:
        choices.append(st.sampled_from([np.inf, -np.inf, np.nan]))
    return st.one_of(choices)


@st.composite
def rows(
    draw: st.DrawFn, format: Format, *, min_size: int = 1, max_size: int = 32, finite: bool = True
) -> NDArray[np.float64]:
    """One row: unrelated logits, or logits around a common offset, where a lost shift and lost bits show.

    Parameters
    ----------
    format
        Every number is representable in it.
    min_size, max_size
        Bounds of the length.
    finite
        Whether NaN and infinities are left out.
    """
    row = draw(hnp.arrays(np.float64, st.integers(min_size, max_size), elements=logits(format, finite=finite)))
    offset = draw(st.one_of(st.just(0.0), logits(format)))
    with np.errstate(all="ignore"):
        moved = format.quantise(row + offset)
    return moved if np.isfinite(moved).all() else row


@st.composite
def arrays(draw: st.DrawFn, format: Format, *, max_dims: int = 4, max_side: int = 5) -> NDArray[np.float64]:
    """An array of rank one or more, without an empty axis."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=max_dims, max_side=max_side))
    return draw(hnp.arrays(np.float64, shape, elements=logits(format)))


def axes(ndim: int) -> st.SearchStrategy[int]:
    """Every axis of a rank, counted from either end; shrinks to the last one."""
    return st.sampled_from([-1, *range(ndim), *range(-2, -ndim - 1, -1)])


def masks(size: int, *, fully: bool = False) -> st.SearchStrategy[NDArray[np.bool_]]:
    """Which logits of a row are masked; all of them only where ``fully``."""
    some = hnp.arrays(np.bool_, size)
    return some if fully else some.filter(lambda mask: not mask.all())


def _spaced(array: Array) -> Array:
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


MEMORY_LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "contiguous": np.ascontiguousarray,
    "fortran": np.asfortranarray,
    "transposed": lambda array: np.ascontiguousarray(array.T).T,
    "step": _spaced,
    "reversed": lambda array: np.ascontiguousarray(array[..., ::-1])[..., ::-1],
}
"""Name → function that gives the same values in that memory layout, for arrays of rank one or more."""


def layouts() -> st.SearchStrategy[str]:
    """A name of :data:`MEMORY_LAYOUTS`; shrinks to ``contiguous``."""
    return st.sampled_from(sorted(MEMORY_LAYOUTS, key=lambda name: name != "contiguous"))
