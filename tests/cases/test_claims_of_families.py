"""Do the families deliver what their docstrings claim?  Truths come from mpmath, not from the suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mpmath
import numpy as np
import pytest

from conformance import cases
from conformance.cases import offset, underflow
from conformance.cases._ladder import LENGTHS
from conformance.values import Case, Tier
from reference.formats import FORMATS, Format
from reference.ops import SOFTMAX

if TYPE_CHECKING:
    from numpy.typing import NDArray

every_format = pytest.mark.parametrize("format", FORMATS.values(), ids=list(FORMATS))


def ask(format: Format, family: str, tier: Tier = Tier.STANDARD) -> dict[str, Case]:
    asked = cases.cases(format, [SOFTMAX], families=[family], tier=tier, seed=0)
    return {case.name: case for case in asked}


def log_softmax(values: NDArray[np.float64]) -> list[mpmath.mpf]:
    """The definition, with digits enough for 1 + exp(-gap) of any gap up to 3000."""
    with mpmath.workdps(1400):
        exact = [mpmath.mpf(float(x)) for x in values]
        largest = max(exact)
        log_sum = mpmath.log(mpmath.fsum(mpmath.exp(x - largest) for x in exact))
        return [x - largest - log_sum for x in exact]


def log_of(power_of_two: float) -> mpmath.mpf:
    """The log of 2**power_of_two, which float64 may not hold."""
    with mpmath.workdps(60):
        return mpmath.mpf(power_of_two) * mpmath.log(2)


def kind(format: Format, log_p: mpmath.mpf) -> str:
    """What exp(log_p) is in the format."""
    eta = format.emin - format.precision + 1
    if log_p >= log_of(format.emin):
        return "normal"
    return "subnormal" if log_p >= log_of(eta - 1) else "zero"


@every_format
def test_magnitude_breaks_the_definition_in_every_direction(format: Format) -> None:
    asked = ask(format, "magnitude")
    assert (asked["all=+1000,n=17"].logits == 1000).all()
    assert (asked["all=-1000,n=17"].logits == -1000).all()
    np.testing.assert_array_equal(asked["max@1,n=3"].logits, [-1000, 1000, -1000])
    for n in (2, 3, 9, 17):
        found = [case.logits for name, case in asked.items() if name.startswith("max@")]
        places = {int(values.argmax()) for values in found if values.size == n}
        assert places == set(range(n))
    levels = {case.logits[0] for name, case in asked.items() if name.startswith("all=")}
    log_max = float(np.log(format.max))
    assert any(log_max * 0.8 < level <= log_max for level in levels), "exp is finite, its sum is not"
    assert any(log_max < level < log_max * 1.2 for level in levels)


@every_format
def test_all_equal_covers_the_values_and_the_ladder(format: Format) -> None:
    asked = ask(format, "all_equal").values()
    assert all(np.ptp(case.logits / format.max) == 0 for case in asked)
    assert {case.logits[0] for case in asked} == {0, 1, -1, 1000, -1000, format.max, -format.max}
    for value in (0, 1000, format.max):
        assert {case.logits.size for case in asked if case.logits[0] == value} == set(LENGTHS)


@every_format
def test_huge_range_overflows_on_both_sides_of_the_edge(format: Format) -> None:
    asked = ask(format, "huge_range")
    for name in ("[max,-max]", "[-max,max]", "[max,-ulp(max)]", "[ulp(max),-max]"):
        with np.errstate(over="ignore"):
            gap = -np.ptp(asked[name].logits)
        assert np.isneginf(format.quantise(gap)), name
    for name in ("[max,0]", "[0,-max]", "[max,max/2]", "[max/2,-max/2]"):
        assert np.isfinite(format.quantise(-np.ptp(asked[name].logits))), name
    exponents = asked["exponents,n=257"].logits
    assert {exponents.max(), -exponents.min()} == {2.0**format.emax}
    assert abs(exponents).min() == format.smallest_subnormal


@every_format
def test_offset_differences_survive_and_a_hasty_sum_loses_the_log(format: Format) -> None:
    lost = 0
    for name, case in ask(format, "offset").items():
        low, high = case.logits.min(), case.logits.max()
        largest = max(abs(low), abs(high))
        unit = float(format.ulp(largest))
        steps = (case.logits - low) / unit
        np.testing.assert_array_equal(steps, np.round(steps), name)
        if ",ulps," in name:
            np.testing.assert_array_equal(np.sort(steps), np.arange(case.logits.size), name)
        if ",units," in name:
            assert 0 < high - low < offset.SPREAD
            assert min(log_softmax(case.logits)) > log_of(format.emin)
        if ",equal," in name:
            assert high == low
            lost += int(format.quantise(high + np.log(2)) == high)
    assert lost > 0
    assert max(offset.offsets(format)) == format.max
    wishes = format.quantise(np.minimum([1e4, 1e5, 1e6, 1e7, 1e8], format.max))
    assert set(wishes) <= set(offset.offsets(format))


@every_format
def test_dominance_reaches_from_half_to_below_the_smallest_subnormal(format: Format) -> None:
    asked = ask(format, "dominance")
    logs = {name: log_softmax(case.logits) for name, case in asked.items() if case.logits.size == 2}
    winners = [-max(log) for log in logs.values()]
    assert max(winners) > 0.3
    assert any(0 < w < format.smallest_normal for w in winners)
    assert min(winners) < format.smallest_subnormal
    # Between the precision and the underflow: 1 + x is 1 in p bits, and yet x is a normal number.
    assert sum(format.smallest_normal < w < format.unit_roundoff for w in winners) > 1
    loser_kinds = {kind(format, min(log)) for log in logs.values()}
    assert loser_kinds >= {"normal", "subnormal"}
    places = {(case.logits.size, int(case.logits.argmax())) for case in asked.values()}
    assert {(2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (257, 0), (257, 128), (257, 256), (4097, 2048)} <= places


@every_format
def test_underflow_has_results_of_every_kind_on_both_sides_of_each_threshold(format: Format) -> None:
    # All names, since a bfloat16 gap one unit before one threshold is also one unit after another.
    asked = {row.name: row for row in underflow.rows(format, np.random.default_rng(0))}

    def of(name: str) -> str:
        return kind(format, min(log_softmax(asked[name].values)))

    assert (of("inside-normal,n=2"), of("inside-subnormal,n=2"), of("inside-zero,n=2")) == (
        "normal",
        "subnormal",
        "zero",
    )
    assert (of("normal-1ulp,n=2"), of("normal+1ulp,n=2")) == ("normal", "subnormal")
    assert (of("eta/2-1ulp,n=2"), of("eta/2+1ulp,n=2")) == ("subnormal", "zero")
    eta = log_of(format.emin - format.precision + 1)
    around = [min(log_softmax(asked[f"eta{step}ulp,n=2"].values)) for step in ("-1", "+1")]
    assert around[0] > eta > around[1]
    for n in (17, 257):
        assert kind(format, min(log_softmax(asked[f"eta/2,quotient,n={n}"].values))) in {"subnormal", "zero"}
    ramp = asked["ramp,n=257"].values
    kinds = [kind(format, log_p) for log_p in log_softmax(ramp)]
    assert set(kinds) == {"normal", "subnormal", "zero"}
    assert kinds == sorted(kinds, key=["normal", "subnormal", "zero"].index)


@every_format
def test_underflow_stands_at_the_well_known_clips(format: Format) -> None:
    gaps = {float(np.ptp(case.logits)) for case in ask(format, "underflow").values()}
    for clip in (87.336, 87.0, 88.0, 88.376, 88.723, 103.97, 708.396, 709.78, 745.13):
        nearest = min(abs(gap - clip) for gap in gaps)
        assert nearest <= max(1e-2, float(format.ulp(clip))), clip


@every_format
def test_single_holds_the_landmarks_of_the_format(format: Format) -> None:
    asked = [case.logits for case in ask(format, "single").values()]
    assert all(values.shape == (1,) for values in asked)
    found = {float(values[0]).hex() for values in asked}
    landmarks = (0.0, format.smallest_subnormal, format.smallest_normal, 1.0, format.max)
    assert {(sign * x).hex() for x in landmarks for sign in (1.0, -1.0)} <= found
    assert len(asked) >= 8, "one vector of rows, so that vector bodies are asked"


@every_format
def test_random_spans_scales_lengths_and_binades(format: Format) -> None:
    asked = ask(format, "random")
    for scale in (-10, -3, 0, 3, 7):
        longest = asked[f"normal*2^{scale},n=4097"].logits
        assert longest.std() == pytest.approx(2.0**scale, rel=0.1)
    assert {case.logits.size for case in asked.values()} == set(LENGTHS[1:])
    binades = np.unique(np.frexp(asked["bits,n=4097"].logits)[1])
    assert binades.size > 0.8 * 2 * format.emax
    assert abs(asked["bits<=128,n=4097"].logits).max() <= 128


@every_format
def test_axes_are_every_axis_and_one_beyond_each_end(format: Format) -> None:
    asked = ask(format, "axes").values()
    assert all(case.alone for case in asked)
    for shape in ((33,), (3, 33), (2, 3, 33), (2, 3, 4, 33)):
        rank = len(shape)
        assert {c.call.axis for c in asked if c.logits.shape == shape and not c.raises} == set(range(-rank, rank))
        assert {c.call.axis for c in asked if c.logits.shape == shape and c.raises} == {-rank - 1, rank}
    for case in asked:
        if case.logits.ndim:
            assert case.raises == (not -case.logits.ndim <= case.call.axis < case.logits.ndim)
        assert case.name.startswith(("hard", "shared")) or (case.logits > np.log(format.max)).all()
    found = {(case.logits.shape, case.call.axis % max(case.logits.ndim, 1)) for case in asked if not case.raises}
    ones = {(shape, axis) for shape, axis in found if shape[axis + 1 :] and set(shape[axis + 1 :]) == {1}}
    assert {axis for shape, axis in ones if shape[axis] > 1} >= {0, 1, 2}
    assert {int(np.prod(shape[:axis])) > 1 for shape, axis in ones if shape[axis] > 1} == {False, True}
    assert any(len(shape) == 4 and axis == 1 and shape[2] * shape[3] % 2 for shape, axis in found)
    assert any(0 < axis < len(shape) - 1 and shape[axis] > 2**16 for shape, axis in found)
    assert any(case.logits.shape[case.call.axis] == 1 for case in asked if case.logits.ndim and not case.raises)
    assert {case.logits.ndim for case in asked} == set(range(7))
    empty = {(case.logits.shape[case.call.axis], case.call.axis) for case in asked if not case.logits.size}
    assert {n == 0 for n, _ in empty} == {True, False}, "an empty axis and an empty batch"
    smoke = ask(format, "axes", Tier.SMOKE).values()
    assert {case.raises for case in smoke} == {True, False}
    assert {case.logits.ndim for case in smoke} >= {2, 3, 4}


def test_neighbours_along_another_axis_lie_apart_and_those_of_the_next_vector_too() -> None:
    """Whatever takes its maximum from another lane, next to it or a vector away, is then far off."""
    case = ask(FORMATS["float16"], "axes")["3x33,axis=0"]
    maxima = case.logits.max(axis=0)
    for apart in (1, 2, 4, 8, 16, 32):
        assert (abs(maxima[apart:] - maxima[:-apart]) > 500).all()


@every_format
def test_worst_known_rows_are_those_of_the_published_sweeps(format: Format) -> None:
    asked = ask(format, "worst_known")
    single = {tuple(case.logits.tolist()) for case in asked.values() if case.logits.ndim == 1}
    (columns,) = (case.logits for case in asked.values() if case.logits.ndim == 2)
    assert {tuple(column) for column in columns.T.tolist()} == single
    assert {(b, a) for a, b in single} == single
    if format.precision < 24:
        assert {0.0, -7.625} in [set(row) for row in single]  # docs/worst-cases.md
