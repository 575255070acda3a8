"""Special values, shapes, layouts and bad input follow the written rules."""

from __future__ import annotations

import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from arbiter import number

from reference.bounds import bounds, flush_allowed, row_sum_bound
from reference.flushing import FlushesSubnormals
from reference.formats import FLOAT8_FORMATS, FORMATS
from reference.truth import OPS, truth

FLOAT64 = FORMATS["float64"]
FORWARD = pytest.mark.parametrize("op", ["softmax", "log_softmax"])


class Unreadable:
    """As a tensor is that requires a gradient, or has a type that NumPy has not."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self.error


def test_special_values_follow_the_written_rules() -> None:
    nan, inf = math.nan, math.inf
    x = np.array([[0.0, nan], [0.0, -inf], [-inf, -inf], [inf, 0.0], [inf, nan]])

    p, y = truth("softmax", x, format=FLOAT64), truth("log_softmax", x, format=FLOAT64)

    assert np.isnan(p.high[[0, 2, 3, 4]]).all()
    assert [1.0, 0.0] == p.rounded(FLOAT64)[1].tolist()
    assert [0.0, -inf] == y.rounded(FLOAT64)[1].tolist()
    assert [False, False, True, True, False] == p.undefined.all(axis=1).tolist()
    assert (p.undefined == y.undefined).all()


def test_shapes_without_elements_or_axes() -> None:
    assert (0,) == truth("softmax", np.zeros(0), format=FLOAT64).high.shape
    assert (2, 0) == truth("softmax", np.zeros((2, 0)), format=FLOAT64).high.shape
    assert (0, 2) == truth("log_softmax", np.zeros((0, 2)), format=FLOAT64).high.shape
    assert 1.0 == truth("softmax", np.float64(3.0), format=FLOAT64).rounded(FLOAT64)


def test_differences_beyond_float64_overflow_to_minus_infinity() -> None:
    big = FLOAT64.max

    said = truth("log_softmax", np.array([big, -big]), format=FLOAT64)

    assert [0.0, -math.inf] == said.rounded(FLOAT64).tolist()
    with mp.workprec(100):
        assert abs(number(said, 1) + 2 * mp.mpf(big)) <= mp.mpf(float(said.error[1])) * 2 * mp.mpf(big)


@pytest.mark.parametrize("dtype", FORMATS)
@FORWARD
def test_a_difference_that_overflows_is_no_mask(op: str, dtype: str) -> None:
    largest = np.finfo(np.float64).max

    said = truth(op, [largest, -largest], format=FORMATS[dtype])

    assert said.error[1] > 0
    assert said.rounded(FORMATS[dtype])[1] == (0.0 if op == "softmax" else -np.inf)
    if op == "log_softmax":
        due = 2 * mp.mpf(float(largest))
        assert abs(number(said, 1) + due) <= due * mp.mpf(float(said.error[1]))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("softmin", [0.0]), ValueError, "op: unknown 'softmin'; known: softmax"),
        (("softmax", [1, 2]), TypeError, "x: floating numbers are needed, not int64"),
        (("softmax", np.array([None])), TypeError, "x: floating"),
        (("softmax", np.array([1.0, 2.0], dtype=object)), TypeError, "x: floating numbers are needed, not object"),
        (("softmax", [1j]), TypeError, "x: floating numbers are needed, not complex128"),
        (("softmax", [True]), TypeError, "x: floating numbers are needed, not bool"),
        (("softmax", np.zeros(2, np.longdouble)), TypeError, "x: .* holds more than float64"),
        (("softmax_vjp", [0.0]), ValueError, "cotangent: softmax_vjp needs one"),
        (("softmax", [0.0], 1), np.exceptions.AxisError, "axis 1 is out of bounds"),
        (("softmax", [0.0], None), TypeError, "axis: an integer is needed, not None"),
        (("softmax", [[0.0], [1.0]], True), TypeError, "axis: an integer is needed, not True"),
        (("softmax", [[0.0], [1.0]], np.array([0, 1])), TypeError, "axis: an integer is needed, not array"),
        (("softmax", [[0.0], [1.0]], np.array(0.5)), TypeError, "axis: an integer is needed, not array"),
        ((np.array(["softmax", "softmin"]), [0.0]), ValueError, "op: unknown array"),
        (("softmax", [[np.ma.masked, 0.0]]), TypeError, "x: a masked array has no meaning here"),
        (("softmax", Unreadable(RuntimeError("detach it first"))), TypeError, "x: not an array: detach it first"),
        (("softmax", Unreadable(TypeError("no such type"))), TypeError, "x: not an array: no such type"),
        (("softmax", [[0.0], [0.0, 1.0]]), ValueError, "x: not an array"),
        (("softmax", [np.ma.masked_less([0.0, 1.0], 0.5)]), TypeError, "x: a masked array has no meaning here"),
        (("softmax", [[np.ma.masked_less([0.0, 1.0], 0.5)]]), TypeError, "x: a masked array has no meaning here"),
        (("softmax", np.ma.masked_less([0.0, 1.0], 0.5)), TypeError, "x: a masked array has no meaning here"),
    ],
)
def test_bad_input_is_named(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        truth(*arguments, format=FLOAT64)


@pytest.mark.parametrize(
    ("op", "g", "error", "message"),
    [
        ("softmax_vjp", [1.0, 2.0, 3.0], ValueError, r"cotangent: its shape \(3,\) is not that of x, \(2,\)"),
        ("softmax_vjp", [1, 2], TypeError, "cotangent: floating numbers"),
        ("softmax", [1.0, 2.0], ValueError, "cotangent: softmax takes none"),
    ],
)
def test_a_bad_cotangent_is_named(op: str, g: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        truth(op, [0.0, 1.0], cotangent=g)


@pytest.mark.parametrize("ask", [truth, bounds, row_sum_bound])
def test_a_name_is_no_format(ask: Any) -> None:
    with pytest.raises(TypeError, match=r"format: a reference\.Format is needed, not 'float32'"):
        ask("softmax", [0.0, 1.0], format="float32")
    said, bound = truth("softmax", [0.0, 1.0], format=FLOAT64), bounds("softmax", [0.0, 1.0], format=FLOAT64)
    for verdict in (
        said.rounded, said.ulp, truth("softmax", [0.0, 1.0]).decided, lambda name: flush_allowed(said, bound, name)
    ):  # fmt: skip
        with pytest.raises(TypeError, match=r"format: a reference\.Format is needed, not 'float32'"):
            verdict("float32")  # type: ignore[arg-type]


@pytest.mark.parametrize("op", OPS)
def test_a_truth_for_a_narrow_format_is_not_rounded_to_a_wider_one(op: str) -> None:
    """A lane that is lost in float32 may be a number of float64."""
    g = [1.0, 2.0] if op.endswith("vjp") else None
    narrow = truth(op, [0.0, -701.0], format=FORMATS["float32"], cotangent=g)

    for ask in (narrow.rounded, narrow.decided, narrow.ulp, lambda format: narrow.faithful([1.0, 0.0], format)):
        with pytest.raises(ValueError, match=r"format: this truth .* narrower one; ask truth\(\) for float64"):
            ask(FLOAT64)
    assert narrow.decided(FORMATS["float16"]).all()
    assert truth(op, [0.0, -701.0], cotangent=g).rounded(FLOAT64).all()


def test_neither_the_input_nor_errstate_is_touched() -> None:
    x = np.array([[1e308, -1e308], [0.0, -750.0]])
    kept = x.copy()
    x.setflags(write=False)

    def answers() -> list[Any]:
        asked = [(op, np.ones_like(x) if op.endswith("vjp") else None) for op in OPS]
        return [truth(op, x, format=FLOAT64, cotangent=g).rounded(FLOAT64).tolist() for op, g in asked]

    with np.errstate(all="raise"):
        loud = answers()
    quiet = answers()

    assert quiet == loud
    assert (kept == x).all()


def test_flush_to_zero_mode_is_refused() -> None:
    torch = pytest.importorskip("torch", reason="torch is the one that can set the mode")
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush")
    torch.set_flush_denormal(False)
    said = truth("softmax", [0.0, -740.0], format=FLOAT64)
    assert torch.set_flush_denormal(True)
    try:
        for ask in (
            lambda: truth("softmax", [0.0, 1.0], format=FLOAT64),
            lambda: said.rounded(FLOAT64),
            lambda: said.faithful([1.0, 0.0], FLOAT64),
            lambda: said.nearest,
            lambda: said.widened(~said.undefined),
            lambda: said.decisive(FLOAT64),
            lambda: said.settled([1.0, 0.0], FLOAT64),
            lambda: bounds("softmax", [0.0, 1.0], format=FLOAT64),
        ):
            with pytest.raises(FlushesSubnormals, match="subnormal numbers are flushed"):
                ask()
    finally:
        torch.set_flush_denormal(False)

    assert 0.5 == truth("softmax", [0.0, 0.0], format=FLOAT64).rounded(FLOAT64)[0]


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("format", [FORMATS["float32"], FLOAT64, None], ids=str)
@pytest.mark.parametrize("n", [5, 300])
def test_memory_layout_changes_no_bit(op: str, format: Any, n: int) -> None:
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((2, 6, n)), rng.standard_normal((2, 6, n))

    def bits(x: np.ndarray, g: np.ndarray, axis: int = -1) -> list[bytes]:
        said = truth(op, x, axis, format=format, cotangent=g if op.endswith("vjp") else None)
        parts = (said.high, said.low, said.exponent, said.error)
        return [np.moveaxis(part, axis, -1).tobytes() for part in parts]

    due = bits(x, g)
    spread_x, spread_g = np.zeros((2, 6, 2 * n)), np.zeros((2, 6, 2 * n))
    spread_x[..., ::2], spread_g[..., ::2] = x, g
    assert due == bits(np.asfortranarray(x), np.asfortranarray(g))
    assert due == bits(spread_x[..., ::2], spread_g[..., ::2])
    assert due == bits(x[..., ::-1].copy()[..., ::-1], g)
    assert due == bits(np.moveaxis(x, -1, 0).copy(), np.moveaxis(g, -1, 0).copy(), 0)


@pytest.mark.parametrize("axis", range(-3, 3))
def test_every_axis_is_the_same_question_moved(axis: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4))

    got = truth("log_softmax", x, axis, format=FLOAT64).rounded(FLOAT64)

    last = truth("log_softmax", np.moveaxis(x, axis, -1), format=FLOAT64).rounded(FLOAT64)
    assert np.moveaxis(last, -1, axis).tolist() == got.tolist()


def test_the_callers_array_may_change_afterwards() -> None:
    format = FLOAT8_FORMATS["float8_e4m3fn"]
    x = np.zeros((1, 1024))
    said = truth("softmax", x, format=format)

    x[0, 0] = 5.0

    assert not said.rounded(format).any()
