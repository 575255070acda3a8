"""What the family `drawn` takes from the seed, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest

from conformance import cases
from conformance.cases import drawn
from conformance.values import Case, Tier
from reference.formats import FORMATS, Format
from reference.ops import SOFTMAX

every_format = pytest.mark.parametrize("format", FORMATS.values(), ids=list(FORMATS))
SEEDS = range(8)
FIXED = {n for n, _, _ in drawn.PLACES}


def ask(format: Format, seed: int, tier: Tier = Tier.STANDARD) -> list[Case]:
    return cases.cases(format, [SOFTMAX], families=["drawn"], tier=tier, seed=seed)


def lengths(asked: list[Case]) -> set[int]:
    return {case.logits.size for case in asked if not case.alone} - FIXED


@every_format
def test_a_compiler_meets_the_same_number_of_shapes_whatever_the_seed(format: Format) -> None:
    for tier in (Tier.SMOKE, Tier.STANDARD):
        spans = [span for span, lowest in drawn.SPANS if lowest <= tier]
        for seed in SEEDS:
            asked = ask(format, seed, tier)
            found = lengths(asked)
            assert len(found) <= len(spans) + (tier > Tier.SMOKE)
            # A drawn length may be one of the ladder's.
            drawn_lengths = {case.logits.size for case in asked if case.name.startswith("normal,")}
            assert all(any(first <= n <= last for n in drawn_lengths) for first, last in spans)
            ranks = sorted(case.logits.ndim for case in asked if case.alone)
            assert ranks == sorted(rank for rank, lowest in drawn.ARRAYS if lowest <= tier)
    assert any(n % drawn.BLOCK == 0 for n in lengths(ask(format, 0)))


@every_format
def test_another_seed_draws_other_lengths_places_and_shapes(format: Format) -> None:
    asked = [ask(format, seed) for seed in SEEDS]
    assert len({frozenset(lengths(one)) for one in asked}) == len(SEEDS)
    assert len({frozenset(case.logits.shape for case in one if case.alone) for one in asked}) == len(SEEDS)
    places = [{int(case.logits.argmax()) for case in one if case.logits.size == 257} for one in asked]
    assert len({frozenset(found) for found in places}) == len(SEEDS)


def test_every_length_of_a_span_is_drawn_in_the_end() -> None:
    (first, last), tier = drawn.SPANS[0]
    assert tier is Tier.SMOKE
    found = {n for seed in range(150) for n in lengths(ask(FORMATS["float32"], seed, Tier.SMOKE)) if n <= last}
    assert {50} <= found
    assert len(found) > 0.9 * (last - first + 1)


@every_format
def test_a_winner_that_is_not_seen_overflows_in_every_format(format: Format) -> None:
    for case in ask(format, 0):
        if "max@" in case.name:
            first, second = np.sort(case.logits)[:-3:-1].tolist()
            with np.errstate(over="ignore"):
                assert np.isinf(np.exp(first - second)), case.name
            assert case.name.endswith(f"max@{case.logits.argmax()},n={case.logits.size}")
    for n in lengths(ask(format, 0)):
        assert {n - 1} < {int(case.logits.argmax()) for case in ask(format, 0) if case.logits.shape == (n,)}


@every_format
def test_a_window_is_open_and_the_rest_is_masked(format: Format) -> None:
    windows = [case.logits for case in ask(format, 0) if "open@" in case.name]
    assert len(windows) == len(drawn.SPANS) + 1
    for row in windows:
        places = np.flatnonzero(row > -np.inf)
        assert (np.diff(places) == 1).all()
        assert 2 <= places.size <= row.size
