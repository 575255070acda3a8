"""Each claim about softmax holds of one fake framework and fails of another, so that its verdict can be wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conformance.claims import CLAIMS, FAILS, HOLDS, NOT_ASKED, ClaimTask, Respondent, ask
from conformance.values import Answered, Crashed, Raised, Target, TimedOut, Unsupported
from reference.formats import FORMATS
from reference.truth import truth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TARGET = Target("fake", "eager", "cpu", version="1")
FLOAT64 = FORMATS["float64"]


def shares(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x - max x, its exp, and a sum that is rounded once: no order and no company changes any of them."""
    t = x - x.max(-1, keepdims=True)
    e = np.exp(t)
    return t, e, np.array([[math.fsum(row)] for row in e.reshape(-1, e.shape[-1])]).reshape(*e.shape[:-1], 1)


def softmax(x: np.ndarray) -> np.ndarray:
    _, e, s = shares(x)
    return np.asarray(e / s)


def log_softmax(x: np.ndarray) -> np.ndarray:
    t, _, s = shares(x)
    return np.asarray(t - np.log(s))


def jacobian_products(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    return np.asarray(g - softmax(x) * g.sum(-1, keepdims=True))


def definition(x: np.ndarray) -> np.ndarray:
    e = np.exp(x)
    return np.asarray(e / e.sum(-1, keepdims=True))


@dataclass(frozen=True)
class Fake:
    """A framework of functions along the last axis, in the place of an asker; it computes in float64 and rounds once."""

    softmax: Callable[[Any], Any] = softmax
    log_softmax: Callable[[Any], Any] = log_softmax
    log_softmax_vjp: Callable[[Any, Any], Any] = jacobian_products
    exp: Callable[[Any], Any] = np.exp
    definition: Callable[[Any], Any] = definition
    shifted: Callable[[Any], Any] = softmax
    log_shifted: Callable[[Any], Any] = log_softmax
    threaded: Callable[[Any, int], Any] = lambda y, _: y
    """Makes of an answer what so many threads answer."""

    def call(self, target: Target, op: str, arrays: Any, axis: int = -1, threads: int = 0) -> Any:
        name = op if not target.control else {"log_softmax": f"log_{target.mode}"}.get(op, target.mode)
        function = getattr(self, name)
        dtype, stored = arrays[0]
        with np.errstate(all="ignore"):
            moved = [np.moveaxis(FORMATS[dtype].decode(array), axis, -1) for _, array in arrays]
            got = self.threaded(np.moveaxis(np.asarray(function(*moved)), -1, axis), threads)
            rounded = FORMATS[dtype].encode(FORMATS[dtype].quantise(got))
        return Answered(dtype, stored.shape, rounded, 0.0)


def verdicts(fake: Any, dtype: str = "float64") -> dict[str, str]:
    return {row["claim"]: row["verdict"] for row in ask(fake, ClaimTask(TARGET, dtype))}


FALSE_OF_THE_HONEST = {"exp-log-in-general", "derivative"}
"""A sum is rounded before its logarithm is taken; and the derivative is no 1 - softmax off the diagonal."""

OF_THE_HONEST = {claim.slug: FAILS if claim.slug in FALSE_OF_THE_HONEST else HOLDS for claim in CLAIMS}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_of_an_honest_framework_all_hold_but_those_that_are_false(dtype: str) -> None:
    assert OF_THE_HONEST == verdicts(Fake(), dtype)


BIT = 2.0**-52


def negative(x: np.ndarray) -> np.ndarray:
    p = softmax(x)
    return np.asarray(np.where(p < 1e-100, -p, p))


def half_of_it(x: np.ndarray) -> np.ndarray:
    return 0.5 * softmax(x)


def moved_by_its_maximum(x: np.ndarray) -> np.ndarray:
    return np.asarray(softmax(x) * np.where(x.max(-1, keepdims=True) == 1000, 1 - BIT, 1.0))


def without_overflow(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.minimum(np.exp(x), FLOAT64.max))


def guarded_against_zero(x: np.ndarray) -> np.ndarray:
    e = np.exp(x)
    return np.asarray(e / np.maximum(e.sum(-1, keepdims=True), FLOAT64.smallest_normal))


def guarded_against_infinity(x: np.ndarray) -> np.ndarray:
    e = without_overflow(x) / 8
    return np.asarray(e / e.sum(-1, keepdims=True))


def one_minus_softmax(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    del g
    return np.asarray(1 - truth("softmax", x, -1, format=FLOAT64).rounded(FLOAT64))


def large_batches_differ(x: np.ndarray) -> np.ndarray:
    return np.asarray(softmax(x) * (1 + BIT if len(x) >= 64 else 1.0))


def places_differ(x: np.ndarray) -> np.ndarray:
    return np.asarray(softmax(x) * (1 + BIT * (np.arange(len(x)) == 4))[:, None])


def running_sum(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(e / np.cumsum(e, -1)[:, -1:])


class Forgetful:
    """Another last bit at every second call."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.calls += 1
        return np.asarray(softmax(x) * (1 + BIT * (self.calls % 2)))


OTHERS: dict[str, tuple[Mapping[str, Any], set[str]]] = {
    # What is replaced, and the claims that turn out otherwise than of the honest one.
    "a p below zero": ({"softmax": negative}, {"sums-to-one", "agrees-shifted"}),
    "sums of one half": ({"softmax": half_of_it}, {"sums-to-one", "agrees-shifted", "exp-log-on-row"}),
    "an exp that stops at the largest number": ({"exp": without_overflow}, {"exp-overflows"}),
    "a definition that divides by no zero": ({"definition": guarded_against_zero}, {"naive-nan-low"}),
    "a definition that meets no infinity": ({"definition": guarded_against_infinity}, {"naive-nan-hostile"}),
    "a shifted formula that is not": ({"shifted": definition}, {"shift-cures"}),
    "a softmax that knows its maximum": ({"softmax": moved_by_its_maximum}, {"shift-cures", "exp-log-on-row"}),
    "a textbook softmax that is off": (
        {"shifted": lambda x: softmax(x) * (1 + 2.0**-30)},
        {"shift-cures", "agrees-shifted"},
    ),
    "a log_softmax that is off": ({"log_softmax": lambda x: log_softmax(x) * (1 + 2.0**-30)}, {"agrees-logsumexp"}),
    "a textbook log_softmax that is off": (
        {"log_shifted": lambda x: log_softmax(x) * (1 + 2.0**-30)},
        {"agrees-logsumexp"},
    ),
    "an exp of zero that is not one": ({"exp": lambda x: np.exp(x) * (1 - BIT)}, {"exp-log-on-row"}),
    "a softmax made from its log": (
        {"softmax": lambda x: np.exp(log_softmax(x))},
        {"exp-log-in-general", "agrees-shifted"},  # exp enlarges the error of a logarithm in the hundreds
    ),
    "a gradient of 1 - softmax": ({"log_softmax_vjp": one_minus_softmax}, {"derivative", "jacobian"}),
    "a gradient of the other sign": ({"log_softmax_vjp": lambda x, g: -jacobian_products(x, g)}, {"jacobian"}),
    "large batches differ": ({"softmax": large_batches_differ}, {"batch"}),
    "places in a batch differ": ({"softmax": places_differ}, {"batch", "split"}),
    "a running sum": ({"softmax": running_sum}, {"permutation"}),
    "two threads differ": ({"threaded": lambda y, n: y * (1 + BIT) if n == 2 else y}, {"threads"}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_of_another_framework_its_own_claims_turn_out_otherwise(name: str) -> None:
    replaced, turned = OTHERS[name]

    seen = verdicts(replace(Fake(), **replaced))

    assert turned == {slug for slug, verdict in seen.items() if verdict != OF_THE_HONEST[slug]}
    assert NOT_ASKED not in seen.values()


def test_one_that_forgets_fails() -> None:
    assert FAILS == verdicts(replace(Fake(), softmax=Forgetful()))["repeat"]


def test_every_claim_has_held_once_and_failed_once() -> None:
    turned = {"repeat"}.union(*(claims for _, claims in OTHERS.values()))

    assert {claim.slug for claim in CLAIMS} == turned
    assert 16 == len(CLAIMS)


@pytest.mark.parametrize("slug", ["batch", "split", "permutation"])
def test_what_differs_is_named_with_its_distance(slug: str) -> None:
    claim = next(claim for claim in CLAIMS if claim.slug == slug)
    replaced, _ = next(entry for entry in OTHERS.values() if slug in entry[1])

    verdict, evidence = claim.ask(Respondent(replace(Fake(), **replaced), TARGET, FLOAT64))  # type: ignore[arg-type]

    assert FAILS == verdict
    assert "ulp" in evidence
    assert "softmax of " in evidence


@dataclass(frozen=True)
class Silent:
    """One that gives the same observation to everything."""

    seen: Any

    def call(self, *_: Any, **__: Any) -> Any:
        return self.seen


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (Raised("ValueError: no"), "ValueError: no"),
        (Crashed("the process was ended by SIGSEGV", 0.123), "the process was ended by SIGSEGV"),
        (TimedOut(3.0, 3.01), "no answer within 3 s"),
        (Unsupported("no such op"), "no such op"),
        (Answered("float32", (1,), np.zeros(1, np.float32), 0.1), "float64 was asked, float32 came back"),
    ],
)
def test_a_claim_without_an_answer_says_why_and_nothing_that_changes_from_run_to_run(seen: Any, why: str) -> None:
    rows = list(ask(Silent(seen), ClaimTask(TARGET, "float64")))  # type: ignore[arg-type]

    assert [claim.slug for claim in CLAIMS] == [row["claim"] for row in rows]
    assert {(NOT_ASKED, why)} == {(row["verdict"], row["evidence"]) for row in rows}


def test_a_row_names_the_claim_and_who_was_asked() -> None:
    row = next(ask(Fake(), ClaimTask(TARGET, "float32")))  # type: ignore[arg-type]

    assert ["claim", "statement", "target", "version", "dtype", "verdict", "evidence"] == list(row)
    assert ("fake/eager/cpu", "1", "float32", CLAIMS[0].statement) == (
        row["target"],
        row["version"],
        row["dtype"],
        row["statement"],
    )


def test_what_crosses_is_what_was_asked() -> None:
    """The axis, the threads, the cotangent and the name of a control reach the asker, in the format's bits."""
    heard: list[tuple[Any, ...]] = []

    class Listening(Fake):
        def call(self, target: Target, op: str, arrays: Any, axis: int = -1, threads: int = 0) -> Any:
            heard.append((target.mode, target.control, op, [(d, a.dtype.name) for d, a in arrays], axis, threads))
            return super().call(target, op, arrays, axis, threads)

    one = Respondent(Listening(), TARGET, FORMATS["bfloat16"])  # type: ignore[arg-type]
    x = [[0.0, 1.0], [2.0, 3.0]]
    bits = ("bfloat16", "uint16")
    one.along("softmax", x, 0)
    one.with_threads("softmax", x, 2)
    one.vjp("log_softmax", x, x)
    one.control("definition", "softmax", x)

    assert [
        ("eager", False, "softmax", [bits], 0, 0),
        ("eager", False, "softmax", [bits], -1, 2),
        ("eager", False, "log_softmax_vjp", [bits, bits], -1, 0),
        ("definition", True, "softmax", [bits], -1, 0),
    ] == heard
