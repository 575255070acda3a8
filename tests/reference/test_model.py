"""The bounds cover the model they are derived from: every grant is taken at its worst, in 60 digits.

An implementation is computed here whose every rounding, exponential, logarithm and sum is as wrong as the model of
docs/error-bounds.md lets it be, all in the direction that hurts one lane most.  Nothing of ``reference.bounds`` is
used but the bound that is tried.  Rounding to nearest is wrong by at most u/(1 + u).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mpmath as mp
import numpy as np
import pytest

from reference.bounds import bounds
from reference.formats import EVERY_FORMAT, FORMATS
from reference.truth import truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reference.formats import Format

K = 2
"""Units that an exponential or a logarithm may be wrong by."""


@dataclass(frozen=True)
class Machine:
    """Arithmetic whose results are as far off as they may be in a chosen direction.

    u is its unit roundoff, eta its smallest number, and growth the roundings that a term of a sum passes through.
    """

    u: Any
    eta: Any
    growth: int
    habit: str = "plain"

    @property
    def normal(self) -> Any:
        return self.eta / (2 * self.u)

    def rounded(self, value: Any, up: int) -> Any:
        """Away from zero, or towards it."""
        if 0 < abs(value) < self.normal:
            return value + mp.sign(value) * up * self.eta / 2
        return value * (1 + up * self.u / (1 + self.u))

    def exponential(self, t: Any, up: int) -> Any:
        value = mp.exp(t)
        return value * (1 + up * K * self.u) if value >= self.normal else max(0, value + up * K * self.eta / 2)

    def exp(self, t: Any, up: int) -> Any:
        """Of a rounded difference t ≤ 0."""
        t = self.rounded(t, -up)
        if self.habit == "base 2":  # t·log₂e, with half a unit in the constant
            t = self.rounded(t * (1 - up * self.u / 2), -up)
        return self.exponential(t, up)

    def sum(self, terms: list[Any], up: int) -> Any:
        """Of positive terms, each of which passes through every rounding; D(n) of them."""
        return mp.fsum(terms) * (1 + up * self.u / (1 + self.u)) ** self.growth

    def log(self, s: Any, up: int) -> Any:
        value = mp.log(s)
        value *= 1 + up * K * self.u * (1 if value > 0 else -1)
        if self.habit == "base 2":  # log₂S·log 2, with 0.65 of a unit in the constant
            value = self.rounded(value * (1 + up * self.u * mp.mpf("0.65")), up)
        return value

    def log_sum(self, t: list[Any], up: int) -> Any:
        """Log Σexp(t), each term having passed through one more exponential, as where an online sum is rescaled."""
        return self.log(self.sum([self.exp(v, up) * (1 + up * K * self.u) for v in t], up), up)

    def log_softmax(self, t: list[Any], i: int, up: int, log_up: int) -> Any:
        """log p of one lane: its own steps wrong upwards or downwards, the sum as told."""
        shift = self.rounded(t[i], -up)
        y = shift - self.log_sum(t, log_up)
        return self.rounded(y, -up)

    def softmax(self, t: list[Any], i: int, up: int) -> Any:
        if self.habit == "exp of log":
            return self.exponential(self.log_softmax(t, i, up, -up), up)
        s = self.sum([self.exp(v, up if j == i else -up) for j, v in enumerate(t)], -up)
        if self.habit == "reciprocal":
            return self.rounded(self.exp(t[i], up) * self.rounded(1 / s, up), up)
        return self.rounded(self.exp(t[i], up) / s, up)


def blocked(n: int) -> int:
    return 2 * (n - 1).bit_length() + 10


def machines(format: Format, grade: str, n: int) -> list[Machine]:
    """Who may call himself that."""
    u, eta = mp.mpf(format.unit_roundoff), mp.mpf(format.smallest_subnormal)
    working = min(u, mp.mpf(2) ** -24), min(eta, mp.mpf(2) ** -149)
    if grade == "stable":
        return [Machine(*working, blocked(n), habit) for habit in ("plain", "reciprocal")]
    return [Machine(u, eta, blocked(n), habit) for habit in ("plain", "base 2", "exp of log")] + [
        Machine(*working, max(n - 1, blocked(n)), habit) for habit in ("base 2", "exp of log")
    ]


def converted(value: Any, machine: Machine, format: Format, up: int) -> Any:
    """To the format of the answer, where that is not the machine's own."""
    to = Machine(mp.mpf(format.unit_roundoff), mp.mpf(format.smallest_subnormal), 0)
    return value if to.u == machine.u else to.rounded(value, up)


def rows(format: Format, grade: str) -> Iterator[list[float]]:
    """Of up to 17 logits, near one another or as far as the grade's cap and the format's smallest number allow."""
    rng = np.random.default_rng(0)
    deepest = min(80.0, 0.6 * -np.log(format.smallest_subnormal))
    if grade == "loose":
        deepest = min(deepest, 0.05 / format.unit_roundoff)
    for n, depth in ((2, 1.0), (3, 0.0), (3, 1e-3), (4, deepest / 4), (4, deepest), (17, 1.0)):
        row = format.quantise(-rng.uniform(0, depth, n))
        row[rng.integers(n)] = 0.0
        yield row.tolist()
    yield [0.0, format.quantise(-deepest).item()]
    if grade == "stable":
        yield [0.0, 0.0, -200.0, -800.0]
    # Exponentials that are subnormal, or nothing.
    log_normal = np.log(format.smallest_normal)
    if grade == "stable" or -log_normal < 2 * deepest:
        yield [0.0, *format.quantise(np.linspace(0.7, 1.3, 5) * log_normal).tolist()]
        yield [0.0, *format.quantise(np.full(40, log_normal - 1)).tolist()]


def share(op: str, format: Format, grade: Any, row: list[float], g: list[float] | None, answers: Any) -> float:
    """The largest share of the bound that the answers of each lane take."""
    said = truth(op, [row], format=format, cotangent=g and [g])
    bound = bounds(op, [row], format=format, grade=grade, cotangent=g and [g])
    worst = 0.0
    for i, lane in enumerate(answers):
        due = (mp.mpf(said.high[0, i]) + mp.mpf(said.low[0, i])) * mp.mpf(2) ** int(said.exponent[0, i])
        own = abs(due) * mp.mpf(said.error[0, i])
        allowed = mp.mpf(bound.relative[0, i]) * abs(due) + mp.mpf(bound.absolute[0, i])
        worst = max(worst, *(float((abs(answer - due) - own) / allowed) for answer in lane))
    return worst


MODEL = pytest.mark.parametrize(
    ("dtype", "grade"), [(dtype, "stable") for dtype in EVERY_FORMAT] + [(dtype, "loose") for dtype in FORMATS]
)


@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
@MODEL
def test_no_answer_of_the_model_is_beyond_its_bound(op: str, dtype: str, grade: str) -> None:
    format, worst = EVERY_FORMAT[dtype], 0.0
    with mp.workdps(60):
        for row in rows(format, grade):
            t = [mp.mpf(v) for v in row]
            for machine in machines(format, grade, len(row)):
                if op == "softmax":
                    answers = [
                        [converted(machine.softmax(t, i, up), machine, format, up) for up in (1, -1)]
                        for i in range(len(t))
                    ]
                else:
                    answers = [
                        [converted(machine.log_softmax(t, i, up, -up), machine, format, -up) for up in (1, -1)]
                        for i in range(len(t))
                    ]
                worst = max(worst, share(op, format, grade, row, None, answers))

    assert worst <= 1
    assert worst > 0.8


def saved(machine: Machine, format: Format, t: list[Any], ups: list[int], log_up: int, form: str) -> list[Any]:
    """p of a backward pass, wrong lane by lane in the directions told: it was saved, or log p was."""
    if form == "p":
        return [converted(machine.softmax(t, i, up), machine, format, up) for i, up in enumerate(ups)]
    ys = [converted(machine.log_softmax(t, i, up, log_up), machine, format, -up) for i, up in enumerate(ups)]
    return [converted(machine.exponential(y, up), machine, format, up) for y, up in zip(ys, ups, strict=True)]


def backward(op: str, machine: Machine, format: Format, p: list[Any], g: list[Any], i: int, up: int) -> Any:
    """One lane of the vjp, upwards or downwards."""
    sign = {True: 1, False: -1}
    push: Callable[[Any, int], Any] = lambda value, up: machine.rounded(value, up * sign[value >= 0])  # noqa: E731
    weights = [a * b for a, b in zip(p, g, strict=True)] if op == "softmax_vjp" else g
    # Upwards is downwards in what is subtracted.
    total, down = mp.mpf(0), -up
    for weight in weights:
        term = push(weight, down) if op == "softmax_vjp" else weight
        total += term * (1 + down * sign[term >= 0] * machine.u / (1 + machine.u)) ** machine.growth
    value = (
        push(push(g[i] - total, up) * p[i], up) if op == "softmax_vjp" else push(g[i] - push(total * p[i], down), up)
    )
    return converted(value, machine, format, up * sign[value >= 0])


@pytest.mark.parametrize("op", ["softmax_vjp", "log_softmax_vjp"])
@MODEL
def test_no_vjp_of_the_model_is_beyond_its_bound(op: str, dtype: str, grade: str) -> None:
    format, worst = EVERY_FORMAT[dtype], 0.0
    rng = np.random.default_rng(0)
    with mp.workdps(60):
        almost_nothing = format.quantise(np.log(format.smallest_subnormal) - 3).item()
        for row in (*rows(format, grade), [0.0, almost_nothing]):
            n = len(row)
            if n > 8:  # n² exponentials for each lane
                continue
            t = [mp.mpf(v) for v in row]
            last = np.eye(n)[np.argmin(row)]
            for given in (rng.standard_normal(n), np.ones(n), last, format.max / 4 * last):
                cotangent = format.quantise(given).tolist()
                g = [mp.mpf(v) for v in cotangent]
                for machine in machines(format, grade, n):
                    answers = []
                    for i in range(n):
                        lane = []
                        for up in (1, -1):
                            # The mean is to be pushed against the lane; the lane's own p with its result.
                            ups = [-up if v > 0 else up for v in g]
                            for own in (1, -1):
                                ups[i] = own
                                for log_up in (1, -1):
                                    for form in ("p", "y"):
                                        p = saved(machine, format, t, ups, log_up, form)
                                        lane.append(backward(op, machine, format, p, g, i, up))
                        answers.append(lane)
                    worst = max(worst, share(op, format, grade, row, cotangent, answers))

    assert worst <= 1
    assert worst > 0.8
