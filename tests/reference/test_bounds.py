"""The bounds are right from both sides: honest algorithms stay inside their grade, damaged ones do not."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any

import algorithms
import numpy as np
import pytest

from conformance.cases import cases
from conformance.values import Tier
from reference.bounds import bounds, flush_allowed, row_sum_bound
from reference.formats import EVERY_FORMAT, FORMATS
from reference.model import blocked, sequential
from reference.ops import OPS as BY_NAME
from reference.truth import Truth, truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference.comparison import Bound

OPS = ("softmax", "log_softmax")
EVERY = pytest.mark.parametrize(("op", "dtype"), [(op, dtype) for op in OPS for dtype in FORMATS])


@cache
def questions(op: str, dtype: str) -> list[tuple[Any, int, Truth, Bound, Bound]]:
    """Every row of every family that has one right answer, with its axis, its truth and its two bounds.

    Rows of one shape and axis lie in one array: a hundred arrays take a fifth of the time of a thousand.
    """
    format = FORMATS[dtype]
    together = defaultdict(list)
    for case in cases(format, (BY_NAME[op],), tier=Tier.STANDARD, seed=0):
        x, axis = case.logits, case.call.axis
        if not case.raises and x.ndim and x.size and np.isfinite(x.max(axis)).all():
            together[x.shape, axis % x.ndim - x.ndim].append(x)
    return [
        (
            x,
            axis,
            truth(op, x, axis, format=format).decisive(format),
            bounds(op, x, axis, format=format),
            bounds(op, x, axis, format=format, grade="loose"),
        )
        for (_, axis), rows in together.items()
        for x in [np.stack(rows)]
    ]


def worst(algorithm: Callable[..., Any], op: str, dtype: str, grade: str, longest: float = np.inf) -> float:
    """The largest share of the grade's bound that an algorithm uses over all families, in rows no longer than that."""
    format = FORMATS[dtype]
    work = np.float64 if dtype == "float64" else np.float32
    shares = [0.0]
    for x, axis, said, stable, loose in questions(op, dtype):
        if x.shape[axis] > longest:
            continue
        bound = stable if grade == "stable" else loose
        with np.errstate(all="ignore"):
            # NumPy adds in pairs along the last axis alone.
            moved = algorithm(np.moveaxis(x, axis, -1).copy(), -1, op, work)
            got = format.quantise(np.moveaxis(moved, -1, axis))
        expected = said.rounded(format)
        flushed = (got == 0) & flush_allowed(said, bound, format)
        misplaced = np.isfinite(got) != np.isfinite(expected)
        share = np.where(np.isfinite(got) & np.isfinite(expected) & ~flushed, said.error_over(bound, got), 0.0)
        # An overflow to -inf is right where the bound reaches it; everywhere else it is infinitely wrong.
        size = np.abs(said.nearest)
        with np.errstate(all="ignore"):
            reaches = ~np.isfinite(format.quantise(size + bound.relative * size + bound.absolute))
        shares.append(float(np.where(misplaced & ~reaches, np.inf, share).max()))
    return max(shares)


@EVERY
@pytest.mark.parametrize("algorithm", algorithms.STABLE, ids=lambda f: f.__name__)
def test_good_algorithms_are_stable(algorithm: Callable[..., Any], op: str, dtype: str) -> None:
    assert worst(algorithm, op, dtype, "stable") <= 1


@EVERY
@pytest.mark.parametrize("algorithm", algorithms.LOOSE, ids=lambda f: f.__name__)
def test_lesser_algorithms_are_loose(algorithm: Callable[..., Any], op: str, dtype: str) -> None:
    assert worst(algorithm, op, dtype, "loose") <= 1


@pytest.mark.parametrize("op", OPS)
def test_half_precision_throughout_is_loose_in_half_precision(op: str) -> None:
    """But for rows so long that their sum overflows."""
    longest = FORMATS["float16"].max
    assert worst(algorithms.own_precision, op, "float16", "loose", longest) <= 1
    assert worst(algorithms.own_precision, op, "float16", "stable", longest) > 1


@pytest.mark.parametrize("algorithm", algorithms.LOOSE, ids=lambda f: f.__name__)
def test_the_stable_bound_is_sharp_enough_to_tell_them_apart(algorithm: Callable[..., Any]) -> None:
    assert worst(algorithm, "softmax", "float64", "stable") > 1


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_stable_bound_is_not_slack(dtype: str) -> None:
    """An honest two-pass algorithm uses more than half of it somewhere."""
    assert worst(algorithms.two_pass, "softmax", dtype, "stable") > 0.5


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("algorithm", algorithms.DAMAGED, ids=lambda f: f.__name__)
def test_damaged_algorithms_are_divergent(algorithm: Callable[..., Any], op: str, dtype: str) -> None:
    assert worst(algorithm, op, dtype, "loose") > 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(
    "algorithm", [algorithms.no_shift, algorithms.half_sum, algorithms.dropped_tail], ids=lambda f: f.__name__
)
def test_damage_that_is_more_than_a_step_in_16_bits_is_divergent_there(
    algorithm: Callable[..., Any], op: str, dtype: str
) -> None:
    """A constant of four digits is better than a step in either format, and no fault there."""
    assert worst(algorithm, op, dtype, "loose") > 1


@EVERY
@pytest.mark.parametrize("n", [2, 3, 17, 1000, 100_000])
def test_zeros_and_a_copy_of_the_input_are_outside_every_bound(op: str, dtype: str, n: int) -> None:
    format = FORMATS[dtype]
    x = format.quantise(np.linspace(-1, 1, n))
    said, bound = truth(op, x, format=format), bounds(op, x, format=format, grade="loose")

    for wrong in (np.zeros(n), x):
        if op == "softmax" and not wrong.any() and said.nearest.max() < format.smallest_normal:
            # Every lane is below the normal range: the row sum rejects this one.
            assert row_sum_bound(op, x, format=format) < 1
        else:
            assert (said.error_over(bound, wrong) > 1).any()


def test_growth_of_a_sum() -> None:
    assert [10, 12, 14, 20, 34] == [blocked(n) for n in (1, 2, 3, 32, 4096)]
    assert [10, 99_999] == [sequential(n) for n in (1, 100_000)]


@cache
def numpy_roundings(n: int) -> int:
    """That a term passes through in NumPy's pairwise sum: eight lanes up to 128, halves that are multiples of eight."""
    if n < 8:
        return n - 1
    if n <= 128:
        return n // 8 - 1 + 3 + n % 8
    half = n // 2 - n // 2 % 8
    return 1 + max(numpy_roundings(half), numpy_roundings(n - half))


def test_the_growth_of_a_blocked_sum_covers_numpys() -> None:
    assert all(numpy_roundings(n) <= blocked(n) for n in range(1, 200_001))
    assert any(numpy_roundings(n) == blocked(n) for n in range(1, 200_001))


def test_an_online_sum_whose_every_exponential_is_wrong_alike_is_loose() -> None:
    """Found by review: maxima that creep up by the block, and exponentials that are cut off and not rounded."""

    def cut(t: Any) -> Any:
        near = np.exp(t)
        return np.where(near.astype(np.float64) > np.exp(t.astype(np.float64)), np.nextafter(near, np.float32(0)), near)

    width, count = 32, 256
    format, rising = FORMATS["float32"], np.arange(count, dtype=np.float32) * np.float32(0.003)
    x = np.full((count, width), -60.0, np.float32)
    x[:, 0], x[0] = rising, 0.0
    m, s = np.float32(-np.inf), np.float32(0)
    for block in x:
        higher = max(m, block.max())
        s = s * cut(np.float32(m - higher)) + cut(block - higher).sum(dtype=np.float32)
        m = higher
    got = cut(x.ravel() - m) / s
    row = x.ravel().astype(np.float64)
    said = truth("softmax", row, format=format)

    stable, loose = (bounds("softmax", row, format=format, grade=grade) for grade in ("stable", "loose"))  # type: ignore[arg-type]
    assert said.error_over(stable, got).max() > 1
    assert said.error_over(loose, got).max() <= 1


def test_the_axis_of_the_rows_does_not_move_their_bounds() -> None:
    """Found by review: NumPy adds along the first axis in a loop, whose own error is more than a bound may have."""
    row = np.r_[0.0, np.full(99_999, -36.5)]
    for op in ("softmax", "log_softmax", "softmax_vjp", "log_softmax_vjp"):
        g = np.ones((1, row.size)) if op.endswith("vjp") else None
        last = bounds(op, row[None], format=FORMATS["float64"], cotangent=g)
        first = bounds(op, row[:, None], 0, format=FORMATS["float64"], cotangent=None if g is None else g.T)
        assert (last.relative == first.relative.T).all()
        assert (last.absolute == first.absolute.T).all()


@pytest.mark.parametrize("op", ["softmax", "log_softmax", "softmax_vjp", "log_softmax_vjp"])
@pytest.mark.parametrize("grade", ["exact", "faithful", "stable", "loose"])
def test_arrays_of_every_shape_have_bounds_of_that_shape(op: str, grade: Any) -> None:
    for shape in ((), (1,), (0,), (3, 0), (0, 3), (2, 3, 4)):
        x = np.zeros(shape)
        for axis in range(-max(len(shape), 1), max(len(shape), 1)):
            g = np.ones(shape) if op.endswith("vjp") else None
            bound = bounds(op, x, axis, format=FORMATS["float32"], grade=grade, cotangent=g)
            assert shape == bound.relative.shape == bound.absolute.shape
            assert np.isfinite(bound.relative).all()
            assert np.isfinite(bound.absolute).all()
            if g is None and shape:
                due = tuple(1 if i == axis % len(shape) else size for i, size in enumerate(shape))
                assert due == row_sum_bound(op, x, axis, format=FORMATS["float32"]).shape


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_a_lane_far_below_does_not_loosen_what_flows_back_in_eight_bits(dtype: str) -> None:
    """Found by review: exp(v|y|) of a lane at -200 had entered the absolute term of all."""
    format = EVERY_FORMAT[dtype]
    for op in ("softmax_vjp", "log_softmax_vjp"):
        bound = bounds(op, [0.0, 0.0, -200.0], format=format, cotangent=[1.0, -1.0, 1.0])
        assert (bound.absolute < 1).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"grade": "fair"}, "grade: unknown 'fair'; known: exact, faithful, stable, loose"), ({}, "op: unknown")],
)
def test_bad_input_is_named(arguments: dict[str, str], message: str) -> None:
    op = "softmax" if arguments else "softmin"

    with pytest.raises(ValueError, match=message):
        bounds(op, np.zeros(2), format=FORMATS["float32"], **arguments)


@EVERY
@pytest.mark.parametrize(("grade", "ulps"), [("exact", 0.5), ("faithful", 1.0)])
def test_the_best_grades_are_units_of_the_truths_last_place(op: str, dtype: str, grade: Any, ulps: float) -> None:
    format = FORMATS[dtype]
    x = format.quantise(np.random.default_rng(0).standard_normal((20, 7)) * 4)
    said = truth(op, x, format=format)
    right = said.rounded(format)

    bound = bounds(op, x, format=format, grade=grade)

    assert (np.abs(said.ulp(format) * ulps - bound.absolute) == 0).all()
    assert said.within(bound, right).all()
    assert not said.within(bound, right + 2 * ulps * format.ulp(right)).any()


@pytest.mark.parametrize("grade", ["stable", "loose"])
@pytest.mark.parametrize("op", ["softmax", "softmax_vjp", "log_softmax_vjp"])
def test_a_masked_lane_has_a_bound_and_does_not_loosen_the_others(op: str, grade: Any) -> None:
    x, g = np.array([0.0, -np.inf, 1.0, -2.0]), np.array([1.0, 0.0, -1.0, 2.0])
    open_ = np.isfinite(x)

    def of(lanes: Any) -> Bound:
        cotangent = g[lanes] if op.endswith("vjp") else None
        return bounds(op, x[lanes], format=FORMATS["float32"], grade=grade, cotangent=cotangent)

    masked, alone = of(slice(None)), of(open_)
    assert np.isfinite(masked.relative).all()
    assert np.isfinite(masked.absolute).all()
    np.testing.assert_array_equal(alone.relative, masked.relative[open_])
    np.testing.assert_array_equal(alone.absolute, masked.absolute[open_])


def test_half_of_the_smallest_float64_is_rounded_up() -> None:
    bound = bounds("softmax", [0.0, -744.0], format=FORMATS["float64"], grade="exact")

    assert 2.0**-1074 == bound.absolute[1]


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (("softmin", [0.0]), ValueError, "op: unknown 'softmin'"),
        (("softmax", [0]), TypeError, "x: floating numbers are needed, not int64"),
        (("softmax", [0.0], 1), np.exceptions.AxisError, "axis: axis 1 is out of bounds"),
        (("softmax", [0.0], 0.5), TypeError, "axis: an integer is needed, not 0.5"),
        (("softmax_vjp", [0.0]), ValueError, "cotangent: softmax_vjp needs one"),
    ],
)
def test_bad_input_names_the_argument(given: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        bounds(*given, format=FORMATS["float32"])


def test_a_log_probability_beyond_float64_has_a_finite_bound() -> None:
    """x - max x overflows; an infinite bound let any finite answer pass."""
    x, format = [1e308, -1e308], FORMATS["float64"]
    said = truth("log_softmax", x, format=format)

    for grade in ("stable", "loose"):
        bound = bounds("log_softmax", x, format=format, grade=grade)  # type: ignore[arg-type]
        assert np.isfinite(bound.absolute).all()
        assert [True, False] == said.within(bound, [0.0, -5.0]).tolist()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("grade", ["stable", "loose"])
def test_a_faithful_exponential_may_be_a_whole_unit_off_where_it_is_subnormal(dtype: str, grade: Any) -> None:
    """The worst that it may return, either of the two numbers beside exp(t), and then a quotient that is rounded."""
    format = FORMATS[dtype]
    eta, others = format.smallest_subnormal, np.array([0.0, -1.0, -2.0])
    gaps = format.quantise(np.log(eta) + np.log(np.random.default_rng(0).uniform(1, 40, 500)))
    worst = 0.0
    for gap in gaps:
        x = format.quantise(np.r_[others, gap])
        said, bound = truth("softmax", x, format=format), bounds("softmax", x, format=format, grade=grade)
        e = format.quantise(np.exp(others))
        below = np.floor(float(np.exp(np.longdouble(gap)) / np.longdouble(eta))) * eta
        for faithful in (below, below + eta):
            s = format.quantise(e.sum() + faithful)
            share = said.error_over(bound, format.quantise(np.r_[e, faithful] / s))[-1]
            assert share <= 1
            worst = max(worst, share * (bound.absolute[-1] / eta))

    assert worst > 1  # a unit, half for a rounding and half for an exponential that is rounded right, would not do
