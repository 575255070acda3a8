"""Do the families of special values, sums, sizes, masks and neighbours deliver what they claim?

What a narrow sum loses is shown by such a sum: term after term, each result rounded to the accumulator.
"""

from __future__ import annotations

import math
import re

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from conformance import cases
from conformance.cases import masks, neighbours, sizes, special
from conformance.cases._ladder import FURTHER, LENGTHS, LONG, RARE, SMOKE_FURTHER, SMOKE_LENGTHS
from conformance.values import Case, Tier
from reference.formats import FORMATS, Format
from reference.ops import SOFTMAX

Numbers = NDArray[np.float64]

every_format = pytest.mark.parametrize("format", FORMATS.values(), ids=list(FORMATS))
every_accumulator = pytest.mark.parametrize("name", ["bfloat16", "float16", "float32"])


def ask(format: Format, family: str, tier: Tier = Tier.STANDARD) -> dict[str, Case]:
    asked = cases.cases(format, [SOFTMAX], families=[family], tier=tier, seed=0)
    return {case.name: case for case in asked}


def new_shapes(asked: dict[str, Case]) -> set[object]:
    return {(case.logits.shape, case.call.axis) for case in asked.values() if case.alone}


def running(terms: Numbers, name: str) -> Numbers:
    """Partial sums, each rounded to the accumulator."""
    native = np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)
    return np.add.accumulate(terms.astype(native)).astype(np.float64)


def terms(values: Numbers) -> Numbers:
    return np.asarray(np.exp(values - values.max()))


# special values


@every_format
def test_special_values_stand_at_three_places_and_among_the_others(format: Format) -> None:
    asked = ask(format, "special")
    for n in SMOKE_LENGTHS:
        for name, value in special.SPECIALS.items():
            for place in {0, n // 2, n - 1}:
                values = asked[f"{name}@{place},n={n}"].logits
                np.testing.assert_array_equal(values[place], value)
                assert np.isfinite(np.delete(values, place)).all()
    for n in (2, 3, 17, 257):
        for first, last in special.PAIRS:
            values = asked[f"{first},{last},n={n}"].logits
            np.testing.assert_array_equal(values[[0, -1]], [special.SPECIALS[first], special.SPECIALS[last]])
            assert np.isfinite(values[1:-1]).all()
    for n in (3, 17, 257):
        for name, value in special.SPECIALS.items():
            np.testing.assert_array_equal(asked[f"all={name},n={n}"].logits, np.full(n, value))
    assert np.isnan(asked["nan-in--inf,n=17"].logits).sum() == 1
    assert np.isneginf(asked["nan-in--inf,n=17"].logits).sum() == 16
    assert np.isposinf(asked["-inf-in-+inf,n=17"].logits).sum() == 16


@every_format
def test_one_row_of_a_batch_is_special_and_eight_are_not(format: Format) -> None:
    batches = [case for case in ask(format, "special").values() if case.alone]
    assert {(case.logits.shape, case.call.axis) for case in batches} == {((9, 17), -1), ((17, 9), 0)}
    for case in batches:
        rows = np.moveaxis(case.logits, case.call.axis, -1)
        assert rows.shape == (9, 17)
        assert not np.isfinite(rows[4]).all()
        assert np.isfinite(np.delete(rows, 4, axis=0)).all()
    whole = [case.name for case in batches if np.isneginf(case.logits).sum() == 17]
    assert len(whole) == 2


@every_format
def test_the_smoke_tier_meets_each_special_value(format: Format) -> None:
    asked = ask(format, "special", Tier.SMOKE)
    for n in (2, 17):
        assert {f"nan@{n // 2},n={n}", f"+inf@{n // 2},n={n}", f"-inf@{n // 2},n={n}"} <= asked.keys()
    assert {"all=+inf,n=17", "all=-inf,n=17"} <= asked.keys()
    assert new_shapes(asked) == {((9, 17), -1)}


# accumulators


@every_accumulator
def test_a_running_sum_of_ones_stalls_at_two_to_the_precision(name: str) -> None:
    stall = 2 ** FORMATS[name].precision
    near = running(np.r_[float(stall - 2), np.ones(100)], name)
    assert near[2] == near[-1] == stall
    if name != "float32":
        for n in (4097, 100_000):
            assert running(np.ones(n), name)[-1] == stall


def test_a_sum_in_float16_overflows_where_the_docstring_says() -> None:
    format = FORMATS["float16"]
    first = format.max + float(format.ulp(format.max)) / 2
    assert (format.max, first) == (65_504, 65_520)
    assert np.isfinite(format.quantise(first - 1))
    assert np.isinf(format.quantise([first, 65_537.0])).all()
    halves = np.full(2, 65_537 / 2)
    assert np.isinf(format.quantise(format.quantise(halves).sum())), "in pairs too"


@every_format
def test_equal_terms_reach_beyond_every_stall(format: Format) -> None:
    asked = ask(format, "accumulators", Tier.EXHAUSTIVE)
    lengths = {case.logits.size for name, case in asked.items() if name.startswith("all=")}
    assert {256, 2049, 65_537, 100_000, 202_048, 262_144, 2**20 + 1} <= lengths
    for name, case in asked.items():
        assert not name.startswith("all=") or not case.logits.any()
    longest = max(lengths)
    if format.name == "float32":
        assert longest * (1 - 2**-5) > 2**24, "past the stall by more than any error bound"
        assert {case.tier for case in asked.values() if case.logits.size == longest} == {Tier.EXHAUSTIVE}
    else:
        assert longest == 2**20 + 1


@every_format
def test_half_swamps_weigh_as_much_as_the_winner(format: Format) -> None:
    for name, case in ask(format, "accumulators").items():
        if name.startswith("half,"):
            share = terms(case.logits)
            assert math.fsum(share) == pytest.approx(2, rel=0.04)
            place = int(re.findall(r"@(\d+)", name)[0])
            assert case.logits[place] == 0
            assert np.count_nonzero(case.logits) == case.logits.size - 1
    first = terms(ask(format, "accumulators")["half,win@0,n=4097"].logits)
    assert running(first, "float16")[-1] == running(first, "bfloat16")[-1] == 1


@every_format
def test_swamps_and_staircases_are_lost_in_order(format: Format) -> None:
    found = set()
    for name, case in ask(format, "accumulators").items():
        if "acc=" not in name:
            continue
        accumulator = name.partition("acc=")[2].partition(",")[0]
        share = terms(case.logits)
        true = math.fsum(share)
        got = running(share, accumulator)
        half_a_unit = FORMATS[accumulator].unit_roundoff
        if name.startswith("swamp") and case.logits[0] == 0:
            assert (got == 1).all(), name
            assert share[1] == pytest.approx(half_a_unit / 2, rel=0.13 if format.name == "bfloat16" else 0.02)
        elif name.startswith("staircase,"):
            zeros = case.logits == 0
            np.testing.assert_array_equal(got, np.cumsum(zeros), name)
            below = share[~zeros] / (np.cumsum(zeros)[~zeros] * half_a_unit)
            assert below.max() < 1
            assert below.min() > 0.6
            np.testing.assert_array_equal(np.unique(np.cumsum(zeros)[~zeros]), [1, 2, 4, 8, 16])
        elif name.startswith("staircase-mirrored,"):
            forwards = running(share[::-1], accumulator)[-1]
            assert abs(got[-1] - true) < abs(forwards - true), name
            continue
        else:
            continue
        loss = (true - got[-1]) / got[-1]
        assert 2 * format.unit_roundoff < loss < 2.5, name
        found.add(accumulator)
    assert found >= {"bfloat16", "float16"}
    assert format.precision < 11 or "float32" in found


@every_format
def test_columns_stall_along_the_first_axis(format: Format) -> None:
    asked = ask(format, "accumulators")
    for n, name in ((257, "bfloat16"), (4097, "float16")):
        case = asked[f"columns,{n}x3,axis=0"]
        assert (case.logits.shape, case.call.axis, case.alone) == ((n, 3), 0, True)
        equal, half, stairs = (terms(column) for column in case.logits.T)
        assert equal.sum() == n
        assert math.fsum(half) == pytest.approx(2, rel=0.04)
        lost = 1 - running(stairs, name)[-1] / math.fsum(stairs)
        assert lost > 4 * format.unit_roundoff
    smoke = {((257, 3), 0), ((65_537, 2), 0), ((8, 513), -1)}
    assert new_shapes(ask(format, "accumulators", Tier.SMOKE)) == smoke
    assert new_shapes(asked) == smoke | {((4097, 3), 0), ((2, 4097, 3), 1)}


@every_format
def test_a_batch_of_eight_is_past_the_stall_of_bfloat16(format: Format) -> None:
    (case,) = (case for name, case in ask(format, "accumulators").items() if name == "batch,8x513")
    row = terms(case.logits[0])
    assert (case.logits == case.logits[0]).all()
    assert math.fsum(row) == pytest.approx(2, rel=0.04)
    assert running(row, "bfloat16")[-1] < 0.6 * math.fsum(row)


# sizes


@every_format
def test_sizes_are_the_whole_ladder_at_the_promised_tiers(format: Format) -> None:
    def lengths(tier: Tier) -> set[int]:
        return {case.logits.size for case in ask(format, "sizes", tier).values() if not case.alone}

    assert lengths(Tier.SMOKE) == {*SMOKE_LENGTHS, *SMOKE_FURTHER}
    assert lengths(Tier.STANDARD) == {*LENGTHS, *FURTHER, *LONG}
    steps = {n + d for n in (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192) for d in (-1, 0, 1)}
    assert lengths(Tier.EXHAUSTIVE) == {*range(1, 10), *steps, *LONG, *RARE}
    assert {32_000, 50_257, 128_256, 151_936, 202_048, 262_144} <= lengths(Tier.STANDARD)
    assert len(SMOKE_FURTHER) <= 3
    assert len({*FURTHER, *LONG} - {*LENGTHS}) <= 14


@every_format
def test_sizes_put_a_winner_last_and_overflow_only_sometimes(format: Format) -> None:
    asked = ask(format, "sizes")
    log_max = float((format.emax + 1) * np.log(2))
    for name, case in asked.items():
        if name.startswith("last,"):
            assert case.logits.argmax() == case.logits.size - 1
            if case.logits.size >= 1024:
                over = (case.logits > log_max).mean()
                assert 0.005 < over < 0.05, name
                assert 1 / terms(case.logits).sum() > 1e-3, "a lost winner shows"
    short = [case.logits.max() for name, case in asked.items() if name.startswith("last,") and case.logits.size < 9]
    assert any(value < log_max for value in short)


@every_format
def test_sizes_have_arrays_of_few_rows_with_offsets_of_their_own(format: Format) -> None:
    arrays = [case for case in ask(format, "sizes", Tier.EXHAUSTIVE).values() if case.alone]
    assert {case.logits.shape for case in arrays} == {(r, n) for r in sizes.COUNTS for n in sizes.SIDES}
    log_max = float((format.emax + 1) * np.log(2))
    for case in arrays:
        levels = case.logits.max(axis=-1)
        assert len(levels) == 1 or np.ptp(levels) > 2 * log_max, "another row's maximum would overflow"
    for tier, most in ((Tier.SMOKE, 2), (Tier.STANDARD, 7)):
        assert len(new_shapes(ask(format, "sizes", tier))) <= most


# masks


@every_format
def test_masks_open_the_lanes_they_claim(format: Format) -> None:
    asked = {row.name: row for row in masks.rows(format, np.random.default_rng(0))}
    for n in masks.SIZES:
        lanes = np.arange(n)
        claimed = {"even": lanes % 2 == 0, "odd": lanes % 2 == 1, f"prefix={n // 2}": lanes < n // 2}
        claimed |= {f"one@{place}": lanes == place for place in (0, n // 2, n - 1)}
        for name, open_ in claimed.items():
            np.testing.assert_array_equal(np.isfinite(asked[f"-inf,{name},n={n}"].values), open_)
            for mask in ("min", "-1e9", "-1e4"):
                values = asked[f"{mask},{name},n={n}"].values
                np.testing.assert_array_equal(values > -5000, open_)
        # What is open among the even lanes and among the odd ones are the logits of that length.
        logits = np.where(lanes % 2 == 0, asked[f"-inf,even,n={n}"].values, asked[f"-inf,odd,n={n}"].values)
        for mask, lowest in (("min", -format.max), ("-1e9", max(-1e9, -format.max)), ("-1e4", -1e4)):
            whole = asked[f"{mask},none,n={n}"].values
            assert np.isfinite(whole).all()
            np.testing.assert_array_equal(whole, format.quantise(logits + format.quantise(lowest)))
        assert np.ptp(asked[f"min,none,n={n}"].values) == 0
    assert np.isfinite(asked["-inf,one@50000,n=100000"].values).sum() == 1


@every_format
def test_a_winner_stands_alone_behind_more_than_every_slice(format: Format) -> None:
    """A slice of nothing but -inf has no maximum, and a search that ends before the last lane has another one."""
    for tier, longest in ((Tier.SMOKE, 4097), (Tier.STANDARD, 202_048)):
        last = [c.logits for c in ask(format, "masks", tier).values() if np.isfinite(c.logits).nonzero()[-1].size == 1]
        lengths = {row.size for row in last if np.isfinite(row[-1])}
        assert {1024, longest} <= lengths
        assert max(lengths) == longest
    for tier, few in ((Tier.SMOKE, {257, 1024, 4097, 202_048}), (Tier.STANDARD, {1024, 8193, 100_000, 202_048})):
        rows = [case.logits for case in ask(format, "magnitude", tier).values() if case.logits.ndim == 1]
        assert few <= {row.size for row in rows if row[-1] - np.delete(row, -1).max(initial=-np.inf) == 2000}


@every_format
def test_every_lane_of_a_square_holds_a_maximum(format: Format) -> None:
    squares = [case for name, case in ask(format, "magnitude", Tier.SMOKE).items() if name.startswith("max@each")]
    for case, places in zip(squares, (np.arange(257), np.arange(257)[::-1]), strict=True):
        assert case.alone
        np.testing.assert_array_equal(case.logits.argmax(axis=-1), places)
        assert (np.sort(case.logits)[:, -1] - np.sort(case.logits)[:, -2] == 2000).all()


@every_format
def test_minus_zero_is_no_mask(format: Format) -> None:
    found = [case for name, case in ask(format, "masks").items() if name.startswith("-0,")]
    assert {case.logits.size for case in found} == set(masks.SIZES)
    for case in found:
        zeros = case.logits == 0
        assert np.signbit(case.logits[zeros]).all()
        assert zeros.any()
        assert (case.logits[~zeros] >= 1).all()
        assert format.encode(case.logits).view(f"u{format.encode(case.logits).itemsize}").min() > 0, "bits and all"


@every_format
def test_masks_round_the_logit_in_the_format(format: Format) -> None:
    asked = {row.name: row for row in masks.rows(format, np.random.default_rng(0))}
    whole = asked["-1e4,none,n=257"].values
    unit = float(format.ulp(float(format.quantise(1e4))))
    steps = (whole + float(format.quantise(1e4))) / unit
    np.testing.assert_array_equal(steps, np.round(steps))
    # The rounding leaves a softmax of whole units: many of them in the wide formats, none in bfloat16.
    assert (np.unique(whole).size > 1) == (format.name != "bfloat16")
    assert float(FORMATS["float32"].ulp(1e9)) == 64
    assert float(FORMATS["float16"].ulp(1e4)) == 8


@every_format
def test_huge_logits_come_back_or_overflow_under_the_lowest_number(format: Format) -> None:
    asked = {row.name: row for row in masks.rows(format, np.random.default_rng(0))}
    assert (asked["min,even,under=max,n=17"].values[1::2] == 0).all()
    assert np.isneginf(asked["min,even,under=-max,n=17"].values[1::2]).all()
    assert (asked["-1e4,even,under=max,n=17"].values[1::2] > format.max / 2).all()
    assert np.isneginf(asked["-inf,even,under=max,n=17"].values[1::2]).all()


# neighbours


@every_format
def test_neighbours_are_neighbours_of_every_magnitude(format: Format) -> None:
    for low, high in neighbours.pairs(format).values():
        stored = format.encode(np.array([low, high]))
        bits = stored.view(f"u{stored.itemsize}").astype(np.int64)
        assert bits[1] - bits[0] == 1
    gaps = {high - low for low, high in neighbours.pairs(format).values()}
    assert {0.125, 0.25, 0.5, 1, 2, 4} <= gaps
    assert 8 in gaps or format.name == "float16"
    assert format.smallest_subnormal in gaps
    assert float(format.ulp(format.max)) in gaps


@every_format
def test_neighbours_have_one_odd_lane_at_each_place(format: Format) -> None:
    asked = ask(format, "neighbours")
    for name, case in asked.items():
        side, _, place = name.rpartition(",")[2].partition("@")
        low, high = case.logits.min(), case.logits.max()
        odd = case.logits == (high if side == "above" else low)
        assert np.flatnonzero(odd).tolist() == [int(place)], name
        assert low < high
    signs = {math.copysign(1, case.logits[case.logits != 0][0]) for case in asked.values()}
    assert signs == {1, -1}
    repeated = {case.id for family in ("offset", "huge_range") for case in ask(format, family).values()}
    assert not repeated & {case.id for case in asked.values()}
