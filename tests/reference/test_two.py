"""Rows of two logits: the closed forms keep their bound, round as the certified truth does, and bound from below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference.bounds import bounds
from reference.formats import EVERY_FORMAT, FORMATS
from reference.truth import OPS, truth
from reference.two import UNITS, nearest, two_logits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reference.formats import Format

NARROW = [format for format in EVERY_FORMAT.values() if format.precision <= 24]
QUESTIONS = [(op, ones) for op in OPS for ones in ((False, True) if op.endswith("_vjp") else (False,))]


def some_rows(format: Format, count: int = 4000, seed: int = 0) -> NDArray[np.float64]:
    """Pairs of numbers of a format: gaps of every magnitude in both orders, and any two numbers."""
    rng = np.random.default_rng(seed)
    gaps = format.quantise(np.exp(rng.uniform(np.log(2.0**-30), np.log(800.0), count)))
    gaps = gaps[np.isfinite(gaps)]
    ordered = np.stack([np.zeros_like(gaps), -gaps])
    kind = f"uint{8 * np.dtype(format.storage).itemsize}"
    bits = rng.integers(0, 2 ** (8 * np.dtype(format.storage).itemsize), (2, count), np.uint64).astype(kind)
    any_two = format.decode(bits.view(format.storage))
    usual = format.quantise(rng.normal(size=(2, count)) * 10)
    rows = np.concatenate([ordered, ordered[::-1], any_two, usual, [[0.0, 1.0], [0.0, -np.inf]]], axis=1)
    return rows[:, np.isfinite(rows.max(axis=0))]


@pytest.mark.parametrize("format", NARROW, ids=lambda format: format.name)
@pytest.mark.parametrize(("op", "ones"), QUESTIONS)
def test_the_closed_forms_keep_their_bound_and_round_as_the_truth_does(op: str, ones: bool, format: Format) -> None:
    x = some_rows(format)
    found = two_logits(op, x, format=format, ones=ones)
    wide = truth(op, x, 0, cotangent=found.cotangent)
    sharp = (wide.error < 2.0**-60) & (np.abs(wide.nearest) > 2.0**-1000) & np.isfinite(wide.nearest)
    off = np.abs(found.near[sharp] - wide.nearest[sharp]) / np.abs(wide.nearest[sharp])
    gap = np.broadcast_to(found.gap, x.shape)[sharp]
    assert (off <= (UNITS + 1 + gap) * 2.0**-53).all()  # one unit for the rounding of `nearest`
    decided = wide.decided(format)
    np.testing.assert_array_equal(found.rounded[decided], wide.rounded(format)[decided])
    assert decided.mean() > 0.5


@pytest.mark.parametrize("format", NARROW, ids=lambda format: format.name)
@pytest.mark.parametrize(("op", "ones"), QUESTIONS)
def test_the_least_bound_is_below_the_stable_bound_and_near_it(op: str, ones: bool, format: Format) -> None:
    x = some_rows(format)
    found = two_logits(op, x, format=format, ones=ones)
    bound = bounds(op, x, 0, format=format, cotangent=found.cotangent)
    with np.errstate(all="ignore"):
        whole = bound.relative * np.abs(found.near) + bound.absolute
        share = found.least_bound / whole
    share = share[np.isfinite(whole)]
    assert (share <= 1).all()
    if format.precision > 8:
        assert share.min() > 0.99


@pytest.mark.parametrize("format", NARROW, ids=lambda format: format.name)
def test_numbers_are_rounded_as_the_format_does(format: Format) -> None:
    every = np.unique(some_rows(format).ravel())
    every = every[np.isfinite(every)]
    middles = (every[1:] + every[:-1]) / 2
    z = np.concatenate(
        [every, middles, np.nextafter(middles, np.inf), np.nextafter(middles, -np.inf), middles * 1.0001]
    )
    z = z[(np.abs(z) > 2.0**-1000) | (z == 0)]
    found, doubt = nearest(z, format, np.asarray(0.0))
    np.testing.assert_array_equal(found, format.quantise(z))
    np.testing.assert_array_equal(np.signbit(found), np.signbit(z))
    tie = (z[:, None] == middles).any(axis=1) if len(z) * len(middles) < 10**7 else None
    if tie is not None:
        inside = np.abs(z) < format.max
        assert doubt[tie & inside & (format.quantise(z) != z)].all()


@pytest.mark.parametrize("format", [FORMATS["float32"], FORMATS["float16"]], ids=lambda format: format.name)
@given(number=st.integers(1, 2**14), places=st.integers(0, 50))
def test_a_number_within_its_error_of_a_middle_is_in_doubt(format: Format, number: int, places: int) -> None:
    z = float(format.decode(np.array(number, format.storage.replace("float", "uint")).view(format.storage)))
    z += format.ulp(z) / 2
    moved = z + np.array([-places, places]) * np.spacing(z)  # a last place is one to two units of 2**-53
    assert nearest(moved, format, np.asarray(2.0 * places))[1].all()


def test_what_is_no_row_of_two_logits_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        two_logits("softmax", np.zeros((3, 2)), format=FORMATS["float32"])
    with pytest.raises(ValueError, match="at most 24 bits"):
        two_logits("softmax", np.zeros((2, 2)), format=FORMATS["float64"])
    with pytest.raises(ValueError, match="softmin"):
        two_logits("softmin", np.zeros((2, 2)), format=FORMATS["float32"])
