"""Every family is a set of valid, named, repeatable questions, at the promised cost."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from conformance import cases
from conformance.calls import ARGUMENTS, ARITHMETIC, BEHIND, MASKS
from conformance.cases import batches, producers
from conformance.cases._ladder import RARE, SMOKE_FURTHER, SMOKE_LENGTHS, STANDARD_LENGTHS
from conformance.values import Batch, Case, Tier
from reference.formats import FORMATS
from reference.ops import SOFTMAX, SOFTMAX_VJP, Op

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
    Tier.SMOKE: (200, 250, 1_370_000),
    Tier.STANDARD: (1_220, 1_420, 6_300_000),
    Tier.EXHAUSTIVE: (1_270, 1_480, 28_300_000),
}
"""Fewest rows, most rows and most elements of a format."""

LONE_BUDGET = {Tier.SMOKE: 24, Tier.STANDARD: 96, Tier.EXHAUSTIVE: 114}
"""Most arrays of the asked format that are asked one by one, plainly, and differ in axis, layout or shape."""

COMPILED_BUDGET = {Tier.SMOKE: 37, Tier.STANDARD: 154, Tier.EXHAUSTIVE: 192}
"""Most arrays of an op and format that differ in way, axis, layout or shape: in a compiled mode, compilations."""

VJP_BUDGET = {
    Tier.SMOKE: (70, 155, 710_000),
    Tier.STANDARD: (600, 900, 1_450_000),
    Tier.EXHAUSTIVE: (600, 900, 1_450_000),
}
"""The same of a vjp."""

VJP_COMPILED = {Tier.SMOKE: 28, Tier.STANDARD: 63, Tier.EXHAUSTIVE: 63}
"""The same of a vjp; eleven of them are layouts, which only frameworks with strides are asked."""

OTHER_DTYPES = 12
"""Arrays of other dtypes than the asked ones, which float32 has besides, one shape each."""

ARGUMENTS_BUDGET = {"float32": 15}
"""Most arrays for the ops' own arguments; 7 in the formats that are not named."""

NOT_FINITE = {
    "arguments",
    "axes",
    "drawn",
    "masks",
    "producers",
    "special",
    "vjp_derivatives",
    "vjp_masks",
    "vjp_special",
}
"""Families that ask infinities or NaN; of arguments, where a wider format is converted."""


VJPS = {name for name, family in cases.families().items() if family.takes_cotangent}
"""Families of cotangents."""


@cache
def ask(format: str, family: str = "", tier: Tier = Tier.STANDARD, seed: int = 0, op: Op = SOFTMAX) -> tuple[Case, ...]:
    """The cases of a family, or of every family of an op."""
    families = (family,) if family else None
    op = SOFTMAX_VJP if family in VJPS else op
    return tuple(cases.cases(FORMATS[format], [op], families=families, tier=tier, seed=seed))


@every_family_in_each_format
def test_values_are_representable_and_finite_where_promised(family: str, format: str) -> None:
    assert ask(format, family)
    finite = family not in NOT_FINITE or (family, format) == ("arguments", "float64")
    assert finite == all(np.isfinite(case.logits).all() for case in ask(format, family))
    for case in ask(format, family):
        assert case.logits.dtype == np.float64
        assert case.logits.size > 0 or case.family == "axes"
        np.testing.assert_array_equal(FORMATS[format].quantise(case.logits), case.logits, case.name)
        dtypes = [dtype for dtype, _ in case.inputs.stored(case.format)]  # raises where a number is not representable
        second = case.call.way != "plain" or case.inputs.cotangent is not None
        assert dtypes == [case.inputs.dtype] + [format] * second, case.name


@every_family_in_each_format
def test_names_and_contents_are_unique(family: str, format: str) -> None:
    asked = ask(format, family)
    assert len({case.name for case in asked}) == len(asked)
    assert len({case.id for case in asked}) == len(asked)
    assert all(case.family == family and len(case.name) <= 40 for case in asked)


@every_family_in_each_format
def test_a_seed_decides_everything(family: str, format: str) -> None:
    op = SOFTMAX_VJP if family in VJPS else SOFTMAX
    again = cases.cases(FORMATS[format], [op], families=[family], tier=Tier.STANDARD, seed=0)
    assert [(case.id, case.name) for case in again] == [(case.id, case.name) for case in ask(format, family)]


@every_family_in_each_format
def test_a_family_does_not_depend_on_the_others(family: str, format: str) -> None:
    op = SOFTMAX_VJP if family in VJPS else SOFTMAX
    among_all = [case for case in ask(format, op=op) if case.family == family]
    assert [case.id for case in among_all] == [case.id for case in ask(format, family)]


@every_family_in_each_format
def test_smoke_is_a_part_of_standard(family: str, format: str) -> None:
    smoke = ask(format, family, Tier.SMOKE)
    assert smoke, "each family has a voice in the smoke tier"
    standard = {case.id: case for case in ask(format, family)}
    assert [case.name for case in smoke] == [standard[case.id].name for case in smoke]
    assert len(smoke) < len(standard)
    assert {case.id for case in smoke} == {c.id for c in standard.values() if c.tier == Tier.SMOKE}


@pytest.mark.parametrize("family", ["random", "axes", "offset", "single", "drawn"])
def test_another_seed_asks_other_random_rows(family: str) -> None:
    assert {case.id for case in ask("float32", family)} != {case.id for case in ask("float32", family, seed=1)}


@every_format
@every_tier
def test_the_cost_stays_within_the_budget(format: str, tier: Tier) -> None:
    asked = ask(format, tier=tier)
    fewest, most, elements = BUDGET[tier]
    assert fewest <= len(asked) <= most
    assert sum(case.logits.size for case in asked) <= elements


@every_format
@every_tier
def test_the_cost_of_the_vjps_stays_within_the_budget(format: str, tier: Tier) -> None:
    asked = ask(format, tier=tier, op=SOFTMAX_VJP)
    fewest, most, elements = VJP_BUDGET[tier]
    assert fewest <= len(asked) <= most
    assert sum(case.logits.size for case in asked) <= elements
    found = batches(asked)
    assert {len(batch.cases) for batch in found if not batch.stacked} == {1}
    lengths = {batch.logits.shape[-1] for batch in found if batch.stacked}
    smoke = {*SMOKE_LENGTHS, *SMOKE_FURTHER, 100_000}  # whose sum of ones overflows in float16
    assert lengths <= (smoke if tier is Tier.SMOKE else {*STANDARD_LENGTHS})
    assert len({compiled(batch) for batch in found}) <= VJP_COMPILED[tier]


@every_format
@every_tier
def test_rows_keep_to_the_ladder(format: str, tier: Tier) -> None:
    fixed = [case for case in ask(format, tier=tier) if case.family != "drawn"]
    found = [batch for batch in batches(fixed) if batch.call.way == "plain"]
    stacked = [batch.logits.shape[-1] for batch in found if batch.stacked]
    stall = {17 * 2**20 + 1} if format == "float32" else set()
    assert (
        set(stacked)
        == {
            Tier.SMOKE: {*SMOKE_LENGTHS, *SMOKE_FURTHER},
            Tier.STANDARD: {*STANDARD_LENGTHS},
            Tier.EXHAUSTIVE: {*STANDARD_LENGTHS, *RARE, *stall},
        }[tier]
    )
    assert len(set(stacked)) == len(stacked), "one array a length"


@every_format
@every_tier
def test_a_compiler_meets_few_shapes(format: str, tier: Tier) -> None:
    found = batches(ask(format, tier=tier))
    with_operation = [batch for batch in found if batch.call.way in (*ARITHMETIC, *MASKS, *BEHIND)]
    loops = [batch for batch in with_operation if batch.logits.ndim]
    assert {producers.N} == {batch.logits.shape[-1] for batch in loops}
    # float16 has no room for a quotient by a small number.
    ways = {*ARITHMETIC, *MASKS, *BEHIND} - ({"divide"} if format == "float16" else set())
    in_smoke = ["multiply", "then-matmul"]
    assert sorted(batch.call.way for batch in loops) == (sorted(ways) if tier > Tier.SMOKE else in_smoke)
    assert len(with_operation) - len(loops) == (4 if tier > Tier.SMOKE else 0), "arrays without an axis"
    with_argument = {compiled(batch) for batch in found if batch.call.way in ARGUMENTS}
    most = ARGUMENTS_BUDGET.get(format, 7)
    assert len(with_argument) <= (most if tier > Tier.SMOKE else 1)
    plain = [batch for batch in found if batch.call.way == "plain"]
    others = {compiled(batch) for batch in plain if batch.inputs.dtype != format}
    assert len(others) == (OTHER_DTYPES if format == "float32" else 0)
    lone = {compiled(batch) for batch in plain if not batch.stacked} - others
    assert len(lone) <= LONE_BUDGET[tier]
    further = (most - 7 if tier > Tier.SMOKE else 0) + (format == "float32" and tier == Tier.EXHAUSTIVE)
    assert len({compiled(batch) for batch in found} - others) <= COMPILED_BUDGET[tier] + further


def compiled(batch: Batch) -> object:
    """Equal for arrays that one compiled function takes."""
    x, operand = batch.inputs.x, batch.inputs.operand
    return batch.stacked, batch.call, batch.inputs.dtype, x.shape, None if operand is None else operand.shape


@every_format
def test_families_share_the_shapes_of_few_rows(format: str) -> None:
    """An array of nine rows of 17, or of nine columns, is one shape, whatever stands in it."""
    nine = {((9, 17), -1): {"sizes", "special"}, ((17, 9), 0): {"axes", "special"}}
    for (shape, axis), sharing in nine.items():
        found = {case.family for case in ask(format) if (case.logits.shape, case.call.axis) == (shape, axis)}
        assert found == sharing
