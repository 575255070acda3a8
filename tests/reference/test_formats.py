"""A format knows its numbers: all 65,536 of them where there are so few."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reference.formats import FLOAT8_FORMATS, FORMATS
from reference.truth import Truth

BITS = np.arange(2**16, dtype=np.uint16)


def finite(name: str) -> np.ndarray:
    """Every finite number of a 16-bit format, ascending, zero once."""
    values = FORMATS[name].decode(BITS.view(FORMATS[name].storage))
    return np.unique(values[np.isfinite(values)])


def test_bfloat16_is_what_others_say_it_is() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes comes with jax and tensorflow")

    with np.errstate(invalid="ignore"):  # signalling NaNs
        due = BITS.view(ml_dtypes.bfloat16).astype(np.float64)

    got = FORMATS["bfloat16"].decode(BITS)
    np.testing.assert_array_equal(due, got)
    assert np.signbit(due).tolist() == np.signbit(got).tolist()


def test_float16_is_numpys() -> None:
    due = BITS.view(np.float16).astype(np.float64)

    assert due.tobytes() == FORMATS["float16"].decode(BITS.view(np.float16)).tobytes()


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_every_number_survives_encoding_and_decoding(name: str) -> None:
    format = FORMATS[name]
    stored = BITS.view(format.storage)
    values = format.decode(stored)
    numbers = ~np.isnan(values)

    assert stored[numbers].tobytes() == format.encode(values[numbers]).tobytes()


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_constants_are_the_numbers_they_name(name: str) -> None:
    format, values = FORMATS[name], finite(name)
    positive = values[values > 0]

    assert (positive[0], positive[-1]) == (format.smallest_subnormal, format.max)
    assert format.unit_roundoff == (positive[positive > 1][0] - 1) / 2
    assert format.smallest_normal == positive[np.diff(positive, append=np.inf) > format.smallest_subnormal][0] / 2


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_ulp_is_the_distance_to_the_next_number(name: str) -> None:
    values = finite(name)
    values = values[values >= 0]

    assert np.diff(values).tolist() == FORMATS[name].ulp(values[:-1]).tolist()


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_midpoints_round_to_even_and_their_neighbours_to_the_nearer(name: str) -> None:
    """Between any two numbers: the middle, and the float64 numbers next to it, with exact low parts too."""
    format, values = FORMATS[name], finite(name)
    low, high = values[:-1], values[1:]
    middle = (low + high) / 2  # exact: 11 or 8 bits and one more
    even = np.where(np.fmod(low / format.ulp(middle), 2) == 0, low, high)

    assert even.tolist() == format.quantise(middle).tolist()
    assert low.tolist() == format.quantise(np.nextafter(middle, -np.inf)).tolist()
    assert high.tolist() == format.quantise(np.nextafter(middle, np.inf)).tolist()
    for sign, due in ((-1.0, low), (0.0, even), (1.0, high)):
        tail = np.full_like(middle, sign * 2.0**-200)
        zero = np.zeros_like(middle)
        truth = Truth(middle, tail, zero.astype(np.int64), zero, zero.astype(bool))
        assert due.tolist() == truth.rounded(format).tolist()


@pytest.mark.parametrize(("name", "numpy"), [("float32", np.float32), ("float16", np.float16)])
def test_quantise_is_numpys_cast(name: str, numpy: type) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(100_000) * 10.0 ** rng.uniform(-50, 50, 100_000)
    x = np.concatenate([x, [0.0, -0.0, np.inf, -np.inf, np.nan]])

    with np.errstate(over="ignore"):
        due = x.astype(numpy).astype(np.float64)

    assert due.tobytes() == FORMATS[name].quantise(x).tobytes()


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(-0.5, 0.5), st.sampled_from(sorted(FORMATS)))
def test_rounding_a_pair_is_rounding_the_exact_sum(high: float, part: float, name: str) -> None:
    """Against rational arithmetic: no number of the format is nearer, and a tie went to even."""
    format = FORMATS[name]
    # A pair as the truth makes them: the low part below half an ulp of the high one, nothing underflows.
    assume(2.0**-900 < abs(high) < 2.0**1000)
    low = part * float(np.spacing(abs(high)))
    high, low = high + low, low - ((high + low) - high)
    zero = np.zeros(1)
    truth = Truth(np.array([high]), np.array([low]), zero.astype(np.int64), zero, zero.astype(bool))

    got = float(truth.rounded(format)[0])

    exact = Fraction(high) + Fraction(low)
    if np.isinf(got):
        assert abs(exact) >= Fraction(format.max) + Fraction(float(format.ulp(format.max))) / 2
        return
    error = abs(Fraction(got) - exact)
    step = Fraction(float(format.ulp(got)))
    below = Fraction(float(format.ulp(np.nextafter(abs(got), 0)))) if got else step
    toward_zero = abs(exact) < abs(Fraction(got))
    half = (below if toward_zero else step) / 2
    assert error <= half
    if error == half:
        assert (Fraction(got) / Fraction(float(format.ulp(got)))) % 2 == 0


@pytest.mark.parametrize("name", FORMATS)
def test_encoding_never_rounds(name: str) -> None:
    format = FORMATS[name]
    if name == "float64":
        assert format.encode([1.0 + 2.0**-52]) == 1.0 + 2.0**-52
        return

    with pytest.raises(ValueError, match=f"not all representable in {name}"):
        format.encode([1.0 + format.unit_roundoff])


def test_decoding_refuses_another_storage() -> None:
    with pytest.raises(TypeError, match="bfloat16 is stored as uint16, not float32"):
        FORMATS["bfloat16"].decode(np.zeros(1, dtype=np.float32))


@pytest.mark.parametrize("name", FLOAT8_FORMATS)
def test_8_bit_formats_are_what_others_say_they_are(name: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes comes with jax and tensorflow")
    format, dtype = FLOAT8_FORMATS[name], getattr(ml_dtypes, name)
    bits = np.arange(2**8, dtype=np.uint8)
    due = bits.view(dtype).astype(np.float64)
    numbers = ~np.isnan(due)
    between = np.linspace(-2 * format.max, 2 * format.max, 4001)
    with np.errstate(over="ignore"):
        rounded = between.astype(dtype).astype(np.float64)

    np.testing.assert_array_equal(due, format.decode(bits))
    assert bits[numbers].tolist() == format.encode(due[numbers]).tolist()
    np.testing.assert_array_equal(rounded, format.quantise(between))
    assert (float(ml_dtypes.finfo(dtype).max), float(ml_dtypes.finfo(dtype).smallest_normal)) == (
        format.max,
        format.smallest_normal,
    )
    assert float(ml_dtypes.finfo(dtype).smallest_subnormal) == format.smallest_subnormal
