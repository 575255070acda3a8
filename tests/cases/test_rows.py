"""Is every family a set of valid, named, repeatable questions, at the promised cost?"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from conformance import cases
from conformance.cases import producers
from conformance.cases._ladder import RARE, SMOKE_FURTHER, SMOKE_LENGTHS, STANDARD_LENGTHS
from conformance.execution.batches import batches
from conformance.producers import ARGUMENTS, ARITHMETIC, MASKS, logits
from conformance.values import Case, Tier
from reference.formats import FORMATS

every_format = pytest.mark.parametrize("format", FORMATS)
every_family_in_each_format = pytest.mark.parametrize(
    ("family", "format"),
    # Arrays of other dtypes ride with the default float.
    [
        (family, format)
        for family in cases.families()
        for format in FORMATS
        if family != "dtypes" or format == "float32"
    ],
)
every_tier = pytest.mark.parametrize("tier", Tier, ids=lambda tier: tier.name.lower())

BUDGET = {
    Tier.SMOKE: (100, 180, 500_000),
    Tier.STANDARD: (800, 1_200, 3_000_000),
    Tier.EXHAUSTIVE: (850, 1_250, 21_000_000),
}
"""Fewest rows, most rows and most elements of a format."""

SHAPES_BUDGET = {Tier.SMOKE: 16, Tier.STANDARD: 86, Tier.EXHAUSTIVE: 101}
"""Most pairs of shape and axis that are asked one by one."""

NOT_FINITE = {"arguments", "axes", "masks", "producers", "special"}
"""Families that ask infinities or NaN; of arguments, where a wider format is converted."""


@cache
def ask(format: str, family: str = "", tier: Tier = Tier.STANDARD, seed: int = 0) -> tuple[Case, ...]:
    families = (family,) if family else None
    return tuple(cases.cases(FORMATS[format], ("softmax",), families=families, tier=tier, seed=seed))


@every_family_in_each_format
def test_values_are_representable_and_finite_where_promised(family: str, format: str) -> None:
    assert ask(format, family)
    finite = family not in NOT_FINITE or (family, format) == ("arguments", "float64")
    assert finite == all(np.isfinite(case.values).all() for case in ask(format, family))
    for case in ask(format, family):
        assert case.values.dtype == np.float64
        assert case.values.size > 0 or case.family == "axes"
        np.testing.assert_array_equal(FORMATS[format].quantise(case.values), case.values, case.name)


@every_family_in_each_format
def test_names_and_contents_are_unique(family: str, format: str) -> None:
    asked = ask(format, family)
    assert len({case.name for case in asked}) == len(asked)
    assert len({case.id for case in asked}) == len(asked)
    assert all(case.family == family and len(case.name) <= 40 for case in asked)


@every_family_in_each_format
def test_a_seed_decides_everything(family: str, format: str) -> None:
    format_, ops = FORMATS[format], ("softmax",)
    again = cases.cases(format_, ops, families=[family], tier=Tier.STANDARD, seed=0)
    assert [(case.id, case.name) for case in again] == [(case.id, case.name) for case in ask(format, family)]


@every_family_in_each_format
def test_a_family_does_not_depend_on_the_others(family: str, format: str) -> None:
    among_all = [case for case in ask(format) if case.family == family]
    assert [case.id for case in among_all] == [case.id for case in ask(format, family)]


@every_family_in_each_format
def test_smoke_is_a_part_of_standard(family: str, format: str) -> None:
    smoke = ask(format, family, Tier.SMOKE)
    assert smoke, "each family has a voice in the smoke tier"
    standard = {case.id: case for case in ask(format, family)}
    assert [case.name for case in smoke] == [standard[case.id].name for case in smoke]
    assert len(smoke) < len(standard)
    assert {case.id for case in smoke} == {c.id for c in standard.values() if c.tier == Tier.SMOKE}


@pytest.mark.parametrize("family", ["random", "axes", "offset", "single"])
def test_another_seed_asks_other_random_rows(family: str) -> None:
    assert {case.id for case in ask("float32", family)} != {case.id for case in ask("float32", family, seed=1)}


@every_format
@every_tier
def test_the_cost_stays_within_the_budget(format: str, tier: Tier) -> None:
    asked = ask(format, tier=tier)
    fewest, most, elements = BUDGET[tier]
    assert fewest <= len(asked) <= most
    assert sum(case.values.size for case in asked) <= elements


@every_format
@every_tier
def test_rows_keep_to_the_ladder(format: str, tier: Tier) -> None:
    found = batches(ask(format, tier=tier))
    produced = [batch for batch in found if batch.producer and batch.producer not in ARGUMENTS]
    assert {producers.N} == {batch.values.shape[-1] for batch in produced}
    assert len(produced) <= len(ARITHMETIC) + len(MASKS) + 1, "a compiler is asked for few shapes of each"
    argued = [batch for batch in found if batch.producer in ARGUMENTS]
    compiled = {(batch.producer, batch.sent, batch.layout, batch.values.shape) for batch in argued}
    assert len(compiled) <= 9, "each is a compilation of its own"
    found = [batch for batch in found if not batch.producer]
    stacked = {batch.values.shape[-1] for batch in found if batch.stacked}
    stall = {17 * 2**20 + 1} if format == "float32" else set()
    assert (
        stacked
        == {
            Tier.SMOKE: {*SMOKE_LENGTHS, *SMOKE_FURTHER},
            Tier.STANDARD: {*STANDARD_LENGTHS},
            Tier.EXHAUSTIVE: {*STANDARD_LENGTHS, *RARE, *stall},
        }[tier]
    )
    assert sum(batch.stacked for batch in found) == len(stacked)
    alone = {(batch.values.shape, batch.axis) for batch in found if not batch.stacked}
    assert len(alone) <= SHAPES_BUDGET[tier]


def test_an_id_is_the_content_for_ever() -> None:
    # Written down once: a change here orphans every published record and every ledger that names ids.
    case = Case("any", "any", "softmax", "float32", np.array([0.0, 1.0]))
    assert case.id == Case("other", "name", "softmax", "float32", np.array([0.0, 1.0]), tier=Tier.SMOKE).id
    assert case.id == "108521df82f64057"


@every_format
def test_one_bit_changes_the_id(format: str) -> None:
    for case in ask(format, "single"):
        stored = case.format.encode(case.values)
        flipped = (stored.view(f"u{stored.itemsize}") ^ 1).view(stored.dtype)
        values = case.format.decode(flipped)
        if np.isfinite(values).all():
            assert Case("", "", case.op, format, values, case.axis).id != case.id


def test_op_dtype_axis_and_shape_change_the_id() -> None:
    values = np.array([0.0, 1.0])
    ids = {
        Case("", "", "softmax", "float32", values).id,
        Case("", "", "log_softmax", "float32", values).id,
        Case("", "", "softmax", "float64", values).id,
        Case("", "", "softmax", "float32", values, axis=0).id,
        Case("", "", "softmax", "float32", values[None]).id,
        Case("", "", "softmax", "float32", -values).id,
    }
    assert len(ids) == 6


@every_format
@pytest.mark.parametrize("producer", ["multiply", "divide", "add"])
def test_logits_behind_a_producer_are_rounded_once(producer: str, format: str) -> None:
    """By exact rational arithmetic: the nearest number of the format, or as near as the other."""
    format_ = FORMATS[format]
    rng = np.random.default_rng(3)
    size = 2.0 ** rng.uniform(-6, 6, (2, 400))
    x, operand = format_.quantise(rng.choice([-1, 1], (2, 400)) * size)
    found = format_.quantise(logits(producer, x, operand))
    for a, b, c in zip(x.tolist(), operand.tolist(), found.tolist(), strict=True):
        left, right = Fraction(a), Fraction(b)
        due = {"multiply": left * right, "divide": left / right, "add": left + right}[producer]
        assert abs(Fraction(c) - due) <= Fraction(float(format_.ulp(c))) / 2


@pytest.mark.parametrize("producer", ["fill", "where"])
def test_nothing_leaks_from_under_a_mask(producer: str) -> None:
    asked = [case for case in ask("float32", "producers") if case.producer == producer]

    assert any(np.isnan(case.produced.x).any() for case in asked if case.produced)
    assert not any(np.isnan(case.values).any() for case in asked)


def test_each_integer_type_is_asked_a_difference_that_leaves_it() -> None:
    wraps = [case for case in ask("float32", "dtypes") if case.name.endswith(",wraps")]

    assert 8 == len(wraps)
    for case in wraps:
        kind = np.iinfo(case.sent)
        exact = [int(value) for value in case.values]
        assert min(exact) - max(exact) < kind.min
        assert exact == [int(value) for value in case.values.astype(case.sent)]
        np.testing.assert_array_equal(case.values, case.values.astype("float32"))
