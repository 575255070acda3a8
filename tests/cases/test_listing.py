"""Does the engine find every family, refuse invalid rows, and leave the others alone?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conformance import cases
from conformance.values import Case, Row, Tier
from reference.formats import FORMATS, Format

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
from conformance.values import Row, Tier

def rows(format, rng):
    yield Row("normal", format.quantise(rng.normal(size=3)), tier=Tier.SMOKE)
'''


def ask(format: str = "float32", **options: object) -> list[Case]:
    chosen = {"tier": Tier.STANDARD, "seed": 0, **options}
    return cases.cases(FORMATS[format], ("softmax",), **chosen)  # type: ignore[arg-type]


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


def test_each_row_is_asked_for_each_op() -> None:
    both = cases.cases(FORMATS["float32"], ("softmax", "log_softmax"), tier=Tier.SMOKE, seed=0)
    assert [case.op for case in both[:2]] == ["softmax", "log_softmax"]
    assert len(both) == 2 * len(ask(tier=Tier.SMOKE))
    assert len({case.id for case in both[:2]}) == 2


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


def test_rows_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        ask(families=["single"])[0].values[0] = 7
