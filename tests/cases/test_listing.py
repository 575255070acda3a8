"""Every family is found, invalid rows are refused, and a new family moves no other."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conformance import cases
from conformance.cases import Row
from conformance.values import Case, Tier
from reference.formats import FORMATS, Format
from reference.ops import FORWARD, LOG_SOFTMAX, SOFTMAX, SOFTMAX_VJP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Plant = Callable[..., None]

REQUIRED = {
    "magnitude",
    "all_equal",
    "huge_range",
    "offset",
    "dominance",
    "underflow",
    "single",
    "random",
    "axes",
    "special",
    "accumulators",
    "sizes",
    "masks",
    "neighbours",
}

NEW_FAMILY = '''"""A reason of one line.

The arithmetic.
"""
import numpy as np
from conformance.cases import Row
from conformance.values import Tier

def rows(format, rng):
    yield Row("normal", format.quantise(rng.normal(size=3)), tier=Tier.SMOKE)
'''


def ask(format: str = "float32", **options: object) -> list[Case]:
    chosen = {"tier": Tier.STANDARD, "seed": 0, **options}
    return cases.cases(FORMATS[format], [SOFTMAX], **chosen)  # type: ignore[arg-type]


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Put one family in the place of all, with the given rows."""

    def planted(*rows: Row) -> None:
        def give(format: Format, rng: np.random.Generator) -> Iterator[Row]:  # noqa: ARG001 - the signature
            yield from rows

        family = cases.Family("planted", "reason", "reason", give)
        monkeypatch.setattr(cases, "_listed", lambda: (family,))

    return planted


def test_every_required_family_is_listed_and_says_why() -> None:
    found = cases.families()
    assert found.keys() >= REQUIRED
    assert list(found) == sorted(found)
    for name, family in found.items():
        assert family.name == name
        assert family.reason.endswith(".")
        assert family.reason in family.doc
        assert "known victim" in family.doc, f"{name} names nobody who fell for it"
        assert "#" in family.doc, f"{name} names no report"


def test_a_new_file_is_a_new_family_and_moves_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {case.id for case in ask()}
    (tmp_path / "newcomer.py").write_text(NEW_FAMILY)
    (tmp_path / "_part.py").write_text("raise AssertionError('not a family')")
    monkeypatch.setattr(cases, "__path__", [*cases.__path__, str(tmp_path)])
    cases._listed.cache_clear()
    try:
        assert cases.families()["newcomer"].reason == "A reason of one line."
        after = {case.id for case in ask() if case.family != "newcomer"}
        assert len(ask(families=["newcomer"])) == 1
    finally:
        monkeypatch.undo()
        sys.modules.pop("conformance.cases.newcomer", None)
        vars(cases).pop("newcomer", None)
        cases._listed.cache_clear()
    assert after == before
    assert "newcomer" not in cases.families()


def test_each_row_is_asked_for_each_op_with_the_same_arrays() -> None:
    both = cases.cases(FORMATS["float32"], FORWARD, tier=Tier.SMOKE, seed=0)
    assert len(both) == 2 * len(ask(tier=Tier.SMOKE))
    for one, other in zip(both[::2], both[1::2], strict=True):
        assert (one.op, other.op) == (SOFTMAX, LOG_SOFTMAX)
        assert (one.family, one.name, one.tier) == (other.family, other.name, other.tier)
        assert one.inputs is other.inputs
        assert one.logits is other.logits
        assert one.unrounded is other.unrounded
        assert one.id != other.id


def test_rows_with_a_cotangent_are_asked_for_the_vjps_and_others_for_the_functions() -> None:
    asked = cases.cases(FORMATS["float32"], [SOFTMAX, SOFTMAX_VJP], tier=Tier.SMOKE, seed=0)

    assert {SOFTMAX, SOFTMAX_VJP} == {case.op for case in asked}
    assert all((case.op is SOFTMAX_VJP) == (case.inputs.cotangent is not None) for case in asked)
    assert all(cases.families()[case.family].asks(case.op) for case in asked)


def test_a_family_is_about_functions_or_about_vjps(plant: Plant) -> None:
    row = np.array([1.0, 2.0])
    plant(Row("one", row), Row("other", row, cotangent=row))
    with pytest.raises(ValueError, match="planted has rows with a cotangent and rows without one, other for one"):
        ask(families=["planted"])


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (Row("r", np.zeros(2), cotangent=np.zeros(3)), "cotangent of shape"),
        (
            Row("r", np.zeros(2), cotangent=np.zeros(2), way="multiply", operand=np.zeros(2)),
            "ways plain, forward, hessian, hessian-forward, and",
        ),
        (Row("r", np.zeros(2), way="forward"), "'forward' takes a cotangent"),
        (Row("r", np.zeros(2), cotangent=np.zeros(2), way="hessian", operand=np.zeros(2)), "takes no operand"),
        (Row("r", np.zeros(2), cotangent_layout="step"), "layout of a cotangent, and no cotangent"),
        (Row("r", np.zeros(2), cotangent=np.full(2, 1 / 3)), "not all representable"),
    ],
    ids=["shape", "way", "without", "operand", "layout", "format"],
)
def test_a_cotangent_that_does_not_fit_its_row_is_refused(plant: Plant, row: Row, why: str) -> None:
    plant(row)
    with pytest.raises(ValueError, match=f"planted, row r.*{why}"):
        cases.cases(FORMATS["float32"], [SOFTMAX, SOFTMAX_VJP], families=["planted"], tier=Tier.STANDARD, seed=0)


def test_an_unknown_family_is_refused_with_the_known_names() -> None:
    with pytest.raises(ValueError, match=r"\['nope'\].*underflow"):
        ask(families=["nope", "single"])


def test_a_row_that_the_format_cannot_hold_is_refused(plant: Plant) -> None:
    plant(Row("fine", np.array([1.0])), Row("third", np.array([1 / 3])))
    with pytest.raises(ValueError, match=r"planted, row third.*float32"):
        ask()
    assert len(ask("float64")) == 2


def test_one_name_for_two_contents_is_refused(plant: Plant) -> None:
    plant(Row("same", np.array([1.0])), Row("same", np.array([2.0])))
    with pytest.raises(ValueError, match=r"names two different float32 rows 'same'"):
        ask()


@pytest.mark.parametrize("name", ["", "a b", "a;b", "a\tb"])
def test_a_name_that_breaks_an_id_is_refused(plant: Plant, name: str) -> None:
    plant(Row(name, np.array([1.0])))
    with pytest.raises(ValueError, match="empty or holds"):
        ask()


def test_one_content_is_asked_once_in_its_lowest_tier(plant: Plant) -> None:
    plant(Row("first", np.array([1.0])), Row("again", np.array([1.0]), tier=Tier.SMOKE))
    assert [(case.name, case.tier) for case in ask()] == [("first", Tier.SMOKE)]


def test_a_lower_tier_does_not_look_into_exhaustive_rows(plant: Plant) -> None:
    plant(Row("asked", np.array([1.0])), Row("third", np.array([1 / 3]), tier=Tier.EXHAUSTIVE))
    assert len(ask()) == 1
    with pytest.raises(ValueError, match="planted, row third"):
        ask(tier=Tier.EXHAUSTIVE)


@pytest.mark.parametrize("format", FORMATS)
def test_exhaustive_rows_come_last(format: str) -> None:
    for family in cases.families().values():
        tiers = [row.tier == Tier.EXHAUSTIVE for row in family.rows(FORMATS[format], np.random.default_rng(0))]
        assert tiers == sorted(tiers), family.name


def test_signed_zeros_shapes_and_axes_are_different_questions(plant: Plant) -> None:
    plant(
        Row("+0", np.array([0.0])),
        Row("-0", np.array([-0.0])),
        Row("rank-2", np.array([[0.0]])),
        Row("axis-0", np.array([0.0]), axis=0),
    )
    assert len(ask()) == 4
    assert len({case.id for case in ask()}) == 4


INVALID = {
    "unknown way 'twice'; known: plain, multiply": Row("row", np.ones(2), way="twice"),
    "takes no operand": Row("row", np.ones(2), operand=np.ones(2)),
    r"operand of shape \(3,\) beside values of shape \(2,\)": Row("row", np.ones(2), way="add", operand=np.ones(3)),
    "not all representable in float32": Row("row", np.ones(2), way="add", operand=np.full(2, 1 / 3)),
    "unknown dtype 'int7'": Row("row", np.ones(2), dtype="int7"),
    "not all representable in int8": Row("row", np.array([1.0, 300.0]), dtype="int8"),
    "not all representable in bool": Row("row", np.array([1.0, 0.5]), dtype="bool"),
    "not all representable in float8_e4m3fn": Row("row", np.array([1.0, 17.0]), dtype="float8_e4m3fn"),
    "not all representable in bfloat16": Row("row", np.array([257.0]), way="cast", dtype="bfloat16"),
}


@pytest.mark.parametrize("message", INVALID)
def test_an_invalid_row_is_refused_with_its_name_and_the_reason(plant: Plant, message: str) -> None:
    plant(Row("fine", np.zeros(2)), INVALID[message])
    with pytest.raises(ValueError, match=f"^family planted, row row: .*{message}"):
        ask()


def test_plain_values_of_another_dtype_are_representable_in_the_format_too(plant: Plant) -> None:
    values = np.array([2.0**24 + 1])
    plant(Row("row", values, dtype="int32"))
    with pytest.raises(ValueError, match=r"planted, row row: .*float32"):
        ask()
    assert ask("float64")[0].inputs.dtype == "int32"


def test_values_that_are_converted_need_not_be_representable_in_the_format(plant: Plant) -> None:
    plant(Row("row", np.array([2.0**24 + 1]), way="cast", dtype="float64"))
    (case,) = ask()
    assert case.inputs.x.tolist() == [2.0**24 + 1]
    assert case.logits.tolist() == [2.0**24]
    assert case.unrounded is not None
    assert case.unrounded.tolist() == [2.0**24 + 1]
    assert case.recorded_dtype == "float32"


def test_what_is_no_row_is_refused(plant: Plant) -> None:
    plant([1.0, 2.0])
    with pytest.raises(ValueError, match="family planted gives a list and no Row"):
        ask()


def test_a_way_without_an_operand_gets_one_zero_a_row(plant: Plant) -> None:
    plant(Row("row", np.ones((3, 2)), way="flat"), Row("plain", np.ones((3, 2))))
    with_operand, plain = ask()
    assert with_operand.inputs.operand is not None
    assert with_operand.inputs.operand.tolist() == [[0.0], [0.0], [0.0]]
    assert plain.inputs.operand is None


def test_whole_numbers_become_float64(plant: Plant) -> None:
    plant(Row("row", np.array([1, 2])))
    assert ask()[0].logits.dtype == np.float64


@pytest.mark.parametrize("differs", [{"way": "flat"}, {"layout": "step"}, {"dtype": "float64"}, {"alone": True}])
def test_how_a_row_is_asked_is_part_of_the_question(plant: Plant, differs: dict[str, object]) -> None:
    plant(Row("one", np.array([1.0])), Row("other", np.array([1.0]), **differs))
    assert len({case.id for case in ask()}) == 2


def test_no_array_can_be_written_to() -> None:
    for case in (*ask(families=["single"]), *ask(families=["producers"]), *ask(families=["arguments"])):
        for array in (case.inputs.x, case.logits, case.inputs.operand, case.unrounded):
            if array is not None:
                with pytest.raises(ValueError, match="read-only"):
                    array[...] = 7
