"""The rows of a sweep: every number of a format once, in order, and the same on both sides of the pipe."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.asking import numbered
from conformance.sweep.plan import NothingToSweep, chosen_rows
from conformance.sweep.rows import BLOCK, rows_of
from reference.formats import EVERY_FORMAT, FORMATS

ALL = 2**62


def test_float32_has_so_many_gaps_between_2_to_the_minus_27_and_110() -> None:
    rows = rows_of("gaps", "float32", ALL)
    assert rows is not None
    between = np.array([2.0**-27, 110], np.float32).view(np.uint32)
    assert rows.total == rows.count == int(between[1] - between[0]) == 282_853_376
    assert rows.exhaustive
    assert rows.row(0) == [0.0, -(2.0**-27)]
    assert rows.row(rows.total - 1) == [0.0, -float(np.nextafter(np.float32(110), np.float32(0)))]


@pytest.mark.parametrize("name", [name for name, one in EVERY_FORMAT.items() if one.precision < 24])
def test_every_gap_of_a_narrow_format_is_there_once_and_they_rise(name: str) -> None:
    rows, format = rows_of("gaps", name, ALL), EVERY_FORMAT[name]
    assert rows is not None
    x = np.concatenate([rows.logits(*rows.block(k)) for k in range(rows.blocks)], axis=1)
    gaps = -x[1]
    assert (x[0] == 0).all()
    assert (np.diff(gaps) > 0).all()
    assert gaps[0] == 0
    assert gaps[-1] == format.max
    every = format.decode(
        np.arange(2 ** (8 * np.dtype(format.storage).itemsize))
        .astype(f"uint{8 * np.dtype(format.storage).itemsize}")
        .view(format.storage)
    )
    assert len(gaps) == np.unique(np.abs(every[np.isfinite(every)])).size


def test_pairs_and_triples_hold_every_combination() -> None:
    pairs = rows_of("pairs", "bfloat16", ALL)
    assert pairs is not None
    assert pairs.total == 2**32
    first = pairs.logits(*pairs.block(12345))
    bits = FORMATS["bfloat16"].encode(first)
    numbers = (bits[0].astype(np.int64) << 16) + bits[1]
    finite = np.isfinite(first).all(axis=0)  # a NaN is encoded as one of many
    assert (numbers[finite] == 12345 * BLOCK + np.flatnonzero(finite)).all()
    triples = rows_of("triples", "float8_e5m2", ALL)
    assert triples is not None
    assert triples.total == 2**24
    assert triples.logits(0x3C3C00, 1)[:, 0].tolist() == [1.0, 1.0, 0.0]


def test_a_sample_is_spread_evenly_over_all_rows() -> None:
    rows = rows_of("gaps", "float64", 2**20)
    assert rows is not None
    first, _ = rows.block(0)
    last, count = rows.block(rows.blocks - 1)
    assert first < rows.step
    assert rows.total - 2 * rows.step < last + (count - 1) * rows.step < rows.total
    gaps = -np.concatenate([rows.logits(*rows.block(k)) for k in range(rows.blocks)], axis=1)[1]
    assert (np.diff(gaps) > 0).all()
    binades = np.bincount(np.frexp(gaps)[1] + 60)
    full = binades[binades > 0][1:-1]
    assert full.max() - full.min() <= 1


def test_what_a_format_does_not_have_is_refused_in_one_line() -> None:
    with pytest.raises(NothingToSweep, match="float32 has no pairs; it has gaps"):
        chosen_rows(("float32",), ("pairs",), ALL)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("most", [1, 1000, 20_000, 10**6, 2 * 10**8, 2**62])
def test_a_sample_reaches_from_one_end_to_the_other_and_is_no_larger_than_was_said(dtype: str, most: int) -> None:
    rows = rows_of("gaps", dtype, most)
    assert rows is not None
    first, (last, count) = rows.block(0)[0], rows.block(rows.blocks - 1)
    last += (count - 1) * rows.step
    assert rows.step >= 1
    assert first < rows.step
    assert rows.total - rows.step <= last < rows.total
    assert rows.count <= most
    assert rows.count >= most // 2 or rows.exhaustive
    assert rows.exhaustive == (rows.count == rows.total)


@pytest.mark.parametrize("axis", [0, -1])
def test_a_lane_is_base_and_a_piece_of_the_number(axis: int) -> None:
    made = numbered.rows([(7, 0, 0), (100, 4, 0xF), (0, 0, 0xF)], 0x35, 3, 2, "uint16", axis)
    made = made if axis == 0 else made.T
    assert made.tolist() == [[7, 7, 7], [103, 103, 103], [5, 7, 9]]
