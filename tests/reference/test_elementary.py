"""exp and log1p keep their errors where their tables change, and where an argument is at an end of its range."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import mpmath as mp
import numpy as np
import pytest
from certification import SLACK

from reference.elementary import LIMIT, QUICK_ERROR, QUICK_LIMIT, exp, log1p, quick_exp, quick_log1p, quick_multiply
from reference.truth import truth
from reference.twofold import multiply

if TYPE_CHECKING:
    from collections.abc import Callable

U = 2.0**-53
COUNT = 2_000

LOGARITHMS = pytest.mark.parametrize(
    ("logarithm", "allowed"),
    [(quick_log1p, QUICK_ERROR[0]), (log1p, 75 * U**2)],
    ids=lambda f: getattr(f, "__name__", ""),
)


def pairs(high: Any) -> tuple[Any, Any]:
    """Each number with a low part of any size that it may have."""
    low = high * U * np.random.default_rng(1).uniform(-1, 1, high.shape)
    whole = high + low
    return whole, low - (whole - high)


def arguments() -> dict[str, Any]:
    """Of log1p: sizes, the middles between the steps of its table, one step, and whole numbers as among ties."""
    rng = np.random.default_rng(0)
    middle = (rng.integers(0, 1024, COUNT) + 0.5) / 1024 * (1 + rng.integers(-2, 3, COUNT) * U)
    return {
        "sizes": 2.0 ** rng.uniform(-60, 32, COUNT),
        "small": 2.0 ** rng.uniform(-860, -20, COUNT),
        "middles": 2.0 ** rng.integers(0, 12, COUNT) * (1 + middle) - 1,
        "first step": 2.0**-11 * (1 + rng.uniform(-1, 1, COUNT) * 2.0**-8),
        "powers of two": 2.0 ** rng.integers(0, 32, COUNT) * (1 + rng.integers(-4, 5, COUNT) * U),
        "whole": rng.integers(1, 2**17, COUNT).astype(float),
    }


@LOGARITHMS
@pytest.mark.parametrize("kind", arguments())
def test_log1p_is_right_to_its_error(kind: str, logarithm: Callable[..., Any], allowed: float) -> None:
    r = pairs(arguments()[kind])

    (high, low), exponent = logarithm(r, np.zeros(COUNT, np.int64))

    assert not exponent.any()
    with mp.workprec(2000):
        for i in range(COUNT):
            due = mp.log1p(mp.mpf(r[0][i]) + mp.mpf(r[1][i]))
            assert abs(mp.mpf(high[i]) + mp.mpf(low[i]) - due) <= allowed * due


@LOGARITHMS
def test_log1p_takes_an_exponent_apart(logarithm: Callable[..., Any], allowed: float) -> None:
    rng = np.random.default_rng(0)
    r, exponent = pairs(rng.uniform(0.5, 2, COUNT)), rng.integers(-20_000, 3, COUNT)

    (high, low), said = logarithm(r, exponent)

    with mp.workprec(300):
        for i in range(COUNT):
            x = (mp.mpf(r[0][i]) + mp.mpf(r[1][i])) * mp.mpf(2) ** int(exponent[i])
            due = mp.log1p(x) if exponent[i] > -150 else x - x * x / 2
            assert abs((mp.mpf(high[i]) + mp.mpf(low[i])) * mp.mpf(2) ** int(said[i]) - due) <= allowed * due


@LOGARITHMS
def test_log1p_of_nothing_is_nothing(logarithm: Callable[..., Any], allowed: float) -> None:  # noqa: ARG001
    (high, low), _ = logarithm((np.zeros(2), np.zeros(2)), np.array([0, -3000]))

    assert [0.0, 0.0, 0.0, 0.0] == [*high, *low]


@pytest.mark.parametrize(
    ("exponential", "limit", "allowed", "per_t"),
    [(quick_exp, QUICK_LIMIT, *QUICK_ERROR), (exp, LIMIT, 4 * U**2, 0.0)],
    ids=["quick_exp", "exp"],
)
def test_exp_is_right_to_its_error(exponential: Callable[..., Any], limit: float, allowed: float, per_t: float) -> None:
    """Any t, the steps of the table of 2**(j/1024), beside which t has only its low part, and the middles between."""
    rng = np.random.default_rng(0)
    k = rng.integers(0, int(limit * 1024 / np.log(2)), COUNT)
    steps, middles = -k * np.log(2) / 1024, -(k + 0.5) * np.log(2) / 1024
    small = -(2.0 ** rng.uniform(-300, np.log2(limit), COUNT))
    for numbers in (-rng.uniform(0, limit, COUNT), small, steps, middles):
        t = pairs(numbers)

        (high, low), exponent = exponential(t)

        with mp.workprec(300):
            for i in range(COUNT):
                due = mp.exp(mp.mpf(t[0][i]) + mp.mpf(t[1][i]))
                got = (mp.mpf(high[i]) + mp.mpf(low[i])) * mp.mpf(2) ** int(exponent[i])
                assert abs(got - due) <= (allowed + per_t * abs(float(t[0][i]))) * due


@pytest.mark.parametrize(
    ("product", "allowed"), [(quick_multiply, 2.0**-76), (multiply, 7 * U**2)], ids=lambda f: getattr(f, "__name__", "")
)
def test_products_are_right_to_their_error(product: Callable[..., Any], allowed: float) -> None:
    """Of exponentials and one reciprocal for each, as in a quotient."""
    rng = np.random.default_rng(0)
    x, y = pairs(rng.uniform(0.5, 2, 4 * COUNT)), pairs(2.0 ** rng.uniform(-32, 0, 4 * COUNT))

    high, low = product(x, y)

    with mp.workprec(300):
        worst = 0.0
        for a, b, c, d, e, f in zip(*x, *y, high, low, strict=True):
            due = (mp.mpf(a) + mp.mpf(b)) * (mp.mpf(c) + mp.mpf(d))
            worst = max(worst, float(abs(mp.mpf(e) + mp.mpf(f) - due) / due))
    assert allowed / SLACK < worst <= allowed


def test_the_constants_do_not_depend_on_the_callers_decimal_context() -> None:
    """Found by review: a trap for floats or inexact results was sprung by the first truth of a process."""
    code = (
        "import decimal; decimal.setcontext(decimal.Context(prec=5, rounding=decimal.ROUND_UP, traps={}))\n"
        "from reference import truth; print(truth('softmax', [0.0, -1.0]).low.tolist())"
    )
    for traps in ("[]", "[decimal.FloatOperation, decimal.Inexact]"):
        command = [sys.executable, "-c", code.format(traps)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        assert f"{truth('softmax', [0.0, -1.0]).low.tolist()}\n" == done.stdout
